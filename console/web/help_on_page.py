"""Help beside a term: a small button that opens a help text. It works without scripts.

A page contains each text only once, even if the term occurs several times.
"""

from typing import NamedTuple

from jinja2 import pass_context
from jinja2.runtime import Context
from markupsafe import Markup

from payments.help_texts import HelpText, Topic, find_help


class ShownHelp(NamedTuple):
    """A help text on a page, and the id of its HTML element. On the page Help, the text has the same id."""

    element_id: str
    text: HelpText


class HelpOnPage:
    """The help texts of one page, in the order in which the terms first occur."""

    def __init__(self) -> None:
        self._shown: dict[str, ShownHelp] = {}

    @property
    def shown(self) -> list[ShownHelp]:
        """The texts that the page must contain."""
        return list(self._shown.values())

    def button(self, topic: str, code: str | None) -> Markup:
        """Return the button that opens the help text of a code. If the code has no help text, return empty HTML."""
        text = find_help(topic, code)
        if text is None:
            return Markup("")
        element_id = help_id(topic, code or "")
        self._shown[element_id] = ShownHelp(element_id, text)
        return Markup(
            '<button type="button" class="help-button" popovertarget="{}" aria-label="Help: {}">?</button>'
        ).format(element_id, text.term)


def help_id(topic: str, code: str) -> str:
    """Return the id of the element that contains the text of a code."""
    return f"help-{Topic(topic)}-{code.lower().replace(' ', '-').replace('_', '-')}"


@pass_context
def help_button(context: Context, topic: str, code: str | None) -> Markup:
    """Return the button that opens the help text of a code, and add this text to the page."""
    help_on_page: HelpOnPage = context["help_on_page"]
    return help_on_page.button(topic, code)
