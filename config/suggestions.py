"""Suggestions for misspelt names of settings."""

import difflib
from functools import lru_cache


@lru_cache(maxsize=1_000)
def suggestion(name: str, names: tuple[str, ...], cutoff: float) -> str:
    """Return `; did you mean NAME?` for the most similar name. Empty if no similarity reaches the cutoff (0 to 1)."""
    found = difflib.get_close_matches(name, names, n=1, cutoff=cutoff)
    return f"; did you mean {found[0]}?" if found else ""
