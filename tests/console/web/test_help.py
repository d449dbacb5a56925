"""Reasons, statuses, exceptions and balancing terms are explained where they are shown, as in the documents."""

import re
from html import unescape

import pytest

from payments import wording
from payments.core.outcome import Reason
from payments.help_texts import Topic, help_texts
from tests.builders.committed import ClinicLedger
from tests.console.web.html_page import HtmlPage
from tests.console.web.scenarios import LoggedIn, add_not_sent


def help_ids(page: str) -> tuple[set[str], set[str]]:
    """Return the ids that the help buttons of a page open, and the ids of its help texts."""
    return set(re.findall(r'popovertarget="(help-[a-z-]+)"', page)), set(re.findall(r'<div id="(help-[a-z-]+)"', page))


@pytest.mark.parametrize("path", ["/claims-feed?clinic=helping", "/timeline?payment=helping/out-0/1"])
def test_reason_is_explained_beside_it(logged_in: LoggedIn, ledger: ClinicLedger, path: str) -> None:
    add_not_sent(ledger, "helping", "out-0", "out-1")
    page = unescape(logged_in("front-office").get(path).text)
    text = help_texts(Topic.REASON)[Reason.TYPE_NOT_SELECTED]

    assert help_ids(page) == ({"help-reason-type-not-selected"}, {"help-reason-type-not-selected"})
    assert page.count(text.meaning) == 1
    assert wording.reason(Reason.TYPE_NOT_SELECTED) in page


def test_filters_and_chips_show_the_terms_of_the_help(logged_in: LoggedIn) -> None:
    page = logged_in("front-office").get("/claims-feed", reason="retries_exhausted", posted="internal_payment").text

    assert {each.term for each in help_texts(Topic.REASON).values()} <= set(re.findall(r">([^<>]+)</option>", page))
    assert "Reason <strong>Every attempt failed</strong>" in page
    assert "Posted <strong>Internal Payment</strong>" in page


def test_every_balancing_term_is_explained(logged_in: LoggedIn) -> None:
    buttons, texts = help_ids(logged_in("front-office").get("/balancing").text)

    assert buttons == texts
    assert len(texts) == len(help_texts(Topic.BALANCING))


def test_help_page_has_every_text_once_under_its_address(logged_in: LoggedIn) -> None:
    response = logged_in("front-office").get("/help")
    _, ids = help_ids(response.text)

    assert len(ids) == sum(len(help_texts(topic)) for topic in Topic)
    assert HtmlPage("/help", response.text).problems() == []
