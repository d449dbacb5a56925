"""The structure of a help text."""

from typing import NamedTuple


class HelpText(NamedTuple):
    """The explanation of one term.

    `sentence` is the text that users see beside the term or instead of it. `meaning` says when the term applies,
    `action` says what to do next, and `who` does it. `action` and `who` are empty if nothing needs to be done.
    """

    term: str
    sentence: str
    meaning: str
    action: str = ""
    who: str = ""
