"""A saved view stores the filters and the sort of a list under a name, for its owner or for the company."""

import re
from collections.abc import Callable

import pytest
from sqlalchemy import text

from payments.core.period import Period
from payments.store.db.connection import Database, transaction
from tests.console.web.conftest import CLINIC, OTHER_CLINIC, Browser
from tests.console.web.scenarios import LoggedIn

pytestmark = pytest.mark.slow

VIEW_QUERY = {"status": "Not Sent", "sort": "-amount", "period": Period.THIS_WEEK}


def save_view(browser: Browser, name: str, query: str = "status=Not+Sent", **fields: str) -> str:
    """Save a view of the Claims Feed. Return the address of the list after this."""
    form = {"list_name": "/claims-feed", "company": "company", "name": name, "query": query}
    answer = browser.post("/views", **form | fields)
    assert answer.status_code == 303, answer.text
    return answer.headers["location"]


def view_links(browser: Browser, page: str = "/views") -> dict[str, str]:
    """Return the addresses of the views that a page shows, by name."""
    return {name: link for link, name in re.findall(r'<a href="(/views/\d+)">(.*?)</a>', browser.get(page).text)}


@pytest.fixture(autouse=True)
def no_views(ledger_database: Database) -> None:
    with transaction(ledger_database) as tx:
        tx.execute(text("DELETE FROM saved_views"))


def test_view_opens_the_list_with_its_filters_and_its_sort(logged_in: LoggedIn) -> None:
    billing = logged_in("billing")
    shown = billing.get("/claims-feed", **VIEW_QUERY, before="end").text
    query = re.search(r'name="query" value="([^"]*)"', shown)
    assert query
    save_view(billing, "unpaid this week", query[1].replace("&amp;", "&"))

    (link,) = view_links(billing).values()
    opened = billing.client.get(link)

    assert opened.status_code == 303
    assert opened.headers["location"] == "/claims-feed?status=Not+Sent&sort=-amount&period=this_week"
    assert view_links(billing, "/claims-feed") == {"unpaid this week": link}
    assert view_links(billing, "/payment-log") == {}


def test_view_of_the_same_name_replaces_the_earlier_one(logged_in: LoggedIn) -> None:
    billing = logged_in("billing")
    save_view(billing, "mine", "status=Not+Sent")

    assert save_view(billing, " mine ", "amount=25.00&unknown=1&after=x") == "/claims-feed?amount=25.00"
    assert len(view_links(billing)) == 1


@pytest.mark.parametrize(("fields", "others"), [({}, set()), ({"shared": "on"}, {"support", f"billing-of-{CLINIC}"})])
def test_view_is_seen_by_its_owner_and_if_shared_by_users_of_the_company(
    logged_in: LoggedIn, fields: dict[str, str], others: set[str]
) -> None:
    save_view(logged_in("billing"), "team", **fields)

    seen = {name for name in ("billing", "support", f"billing-of-{CLINIC}") if view_links(logged_in(name))}
    assert seen == {"billing", *others}


def test_shared_view_of_another_clinic_is_hidden_from_limited_users(logged_in: LoggedIn) -> None:
    for clinic in (CLINIC, OTHER_CLINIC):
        save_view(logged_in("billing"), clinic, f"clinic={clinic}", shared="on")

    assert set(view_links(logged_in(f"billing-of-{CLINIC}"))) == {CLINIC}


def test_only_the_owner_and_administrators_delete_a_shared_view(logged_in: LoggedIn) -> None:
    def delete(user: str) -> int:
        view = next(iter(view_links(logged_in("billing")).values()), "/views/1").rpartition("/")[2]
        return logged_in(user).post("/views/delete", view=view).status_code

    save_view(logged_in("billing"), "team", shared="on")
    assert delete("support") == 403
    assert delete("admin") == 303
    save_view(logged_in("billing"), "own")
    assert delete("admin") == 404
    assert delete("billing") == 303
    assert view_links(logged_in("billing")) == {}


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"name": "  "}, 422),
        ({"name": "x" * 61}, 422),
        ({"list_name": "/users"}, 422),
        ({"list_name": "/audit"}, 422),
        ({"company": "nobody"}, 404),
        ({"company": ""}, 422),
    ],
    ids=str,
)
def test_invalid_view_is_refused(logged_in: Callable[[str], Browser], change: dict[str, str], status: int) -> None:
    form = {"list_name": "/claims-feed", "company": "company", "name": "x", "query": ""}

    assert logged_in("billing").post("/views", **form | change).status_code == status
