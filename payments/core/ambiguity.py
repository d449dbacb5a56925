"""The error for an id or a printed key that exists in several companies."""

from collections.abc import Iterable


class AmbiguousIdError(ValueError):
    """Several companies that the caller may see have this id. `subject` is the kind and the id: `clinic north`."""

    def __init__(self, subject: str, companies: Iterable[str]) -> None:
        super().__init__(f"{subject} exists in several companies: {', '.join(sorted(companies))}")
