"""The navigation shows the pages that the user's role may open, and marks the current page."""

import re

from console.web.app import page_paths
from console.web.navigation import SECTIONS, groups_for
from payments.access.rights import Role, User
from payments.core.scope import Scope
from tests.console.web.scenarios import LoggedIn

NAVIGATION_ITEMS = [item for section in SECTIONS for item in section.items]


def labels(user: User, path: str = "/") -> list[str]:
    return [link.label for group in groups_for(user, path, page_paths(), "http://flower") for link in group.links]


def test_each_address_belongs_to_one_item() -> None:
    addresses = [path for item in NAVIGATION_ITEMS for path in (item.path, *item.also)]

    assert sorted(addresses) == sorted(set(addresses))


def test_items_need_the_right_of_their_page() -> None:
    front_desk, admin = User("f", Role.FRONT_OFFICE), User("a", Role.ADMIN)

    assert {"Users", "Audit history", "Flower"} & set(labels(front_desk)) == set()
    assert {"Users", "Audit history", "Flower", "Claims Feed"} <= set(labels(admin))


def test_months_are_hidden_from_users_who_are_limited_to_clinics() -> None:
    limited = User("b", Role.BILLING, Scope(frozenset({"acme"}), frozenset({"north"})))

    assert "Months" not in labels(limited)
    assert "Months" in labels(User("b", Role.BILLING))


def test_timeline_belongs_to_the_claims_feed(logged_in: LoggedIn) -> None:
    page = logged_in("billing").get("/timeline").text

    assert re.findall(r'<a href="([^"]+)" aria-current="page">', page) == ["/claims-feed"]
