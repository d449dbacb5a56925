"""Suggest the correct name for a misspelt one."""

import difflib
from functools import lru_cache


@lru_cache(maxsize=1_000)
def suggestion(name: str, names: tuple[str, ...], cutoff: float) -> str:
    """Return `; did you mean NAME?` with the most similar of the names. `cutoff` is the least similarity, from 0 to 1.

    If no name is similar enough, return an empty text.
    """
    found = difflib.get_close_matches(name, names, n=1, cutoff=cutoff)
    return f"; did you mean {found[0]}?" if found else ""
