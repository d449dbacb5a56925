"""The form of a help text."""

from typing import NamedTuple


class HelpText(NamedTuple):
    """Explains one term.

    `sentence` is what people see beside the term or in its place. `meaning` says when it occurs, `action` what to do
    next, and `who` does it; a text without an action needs none.
    """

    term: str
    sentence: str
    meaning: str
    action: str = ""
    who: str = ""
