"""Help: the meaning of each reason, status, exception and balancing term, and the next step.

Pages show these texts beside the term. `docgen` writes the reference pages from the same texts.
"""

from collections.abc import Mapping
from enum import StrEnum

from payments.help_texts.balancing import BALANCING
from payments.help_texts.exceptions import EXCEPTIONS
from payments.help_texts.reasons import REASONS
from payments.help_texts.statuses import STATUSES
from payments.help_texts.text import HelpText

__all__ = ["HelpText", "Topic", "find_help", "help_texts"]


class Topic(StrEnum):
    """The topics of the help texts. The values are part of the addresses on the page Help."""

    STATUS = "status"
    REASON = "reason"
    EXCEPTION = "exception"
    BALANCING = "balancing"

    @property
    def heading(self) -> str:
        """The heading of the topic."""
        return _HEADINGS[self]


_HEADINGS = {
    Topic.STATUS: "Statuses",
    Topic.REASON: "Reasons for Not Sent and Validation Failed",
    Topic.EXCEPTION: "Billing Exceptions",
    Topic.BALANCING: "Payment Balancing",
}


_TEXTS_BY_TOPIC: Mapping[Topic, Mapping[str, HelpText]] = {
    Topic.STATUS: STATUSES,
    Topic.REASON: REASONS,
    Topic.EXCEPTION: EXCEPTIONS,
    Topic.BALANCING: BALANCING,
}


def help_texts(topic: Topic) -> Mapping[str, HelpText]:
    """Return the texts of a topic by code."""
    return _TEXTS_BY_TOPIC[topic]


def find_help(topic: str, code: str | None) -> HelpText | None:
    """Return the text of a code, or None if it has none."""
    return _TEXTS_BY_TOPIC[Topic(topic)].get(code or "")
