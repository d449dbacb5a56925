"""Help beside a term: a small button that opens the term's text. It works without scripts.

A page shows each text once, even if it names the term several times.
"""

from typing import NamedTuple

from jinja2 import pass_context
from jinja2.runtime import Context
from markupsafe import Markup

from payments.help_texts import HelpText, Topic, find_help


class ShownHelp(NamedTuple):
    """A text on a page, with the id of its element. On the page Help the element has the same id."""

    element_id: str
    text: HelpText


class HelpOnPage:
    """The help texts of one page, in the order in which the page first names their terms."""

    def __init__(self) -> None:
        self._shown: dict[str, ShownHelp] = {}

    @property
    def shown(self) -> list[ShownHelp]:
        """The texts that the page has to contain."""
        return list(self._shown.values())

    def button(self, topic: str, code: str | None) -> Markup:
        """Return the button that opens the text of a code. Return an empty text if the code has none."""
        text = find_help(topic, code)
        if text is None:
            return Markup("")
        element_id = help_id(topic, code or "")
        self._shown[element_id] = ShownHelp(element_id, text)
        return Markup(
            '<button type="button" class="help-button" popovertarget="{}" aria-label="Help: {}">?</button>'
        ).format(element_id, text.term)


def help_id(topic: str, code: str) -> str:
    """Return the id of the element that holds a text."""
    return f"help-{Topic(topic)}-{code.lower().replace(' ', '-').replace('_', '-')}"


@pass_context
def help_button(context: Context, topic: str, code: str | None) -> Markup:
    """Return the button that opens the help of a code. The page then contains the text of the help."""
    help_on_page: HelpOnPage = context["help_on_page"]
    return help_on_page.button(topic, code)
