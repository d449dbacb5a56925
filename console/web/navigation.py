"""The navigation of the console: its pages, grouped by job. Each of these pages has one item in this module.

An item is shown if its page exists and the user has the right that the item names.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from payments.access.rights import Right, User


@dataclass(frozen=True)
class Item:
    """A page in the navigation. `icon` is the name of a symbol in `static/vendor/icons.svg`.

    `also` lists other addresses that belong to the page. An item with `for_whole_companies` is hidden from users who
    are limited to clinics.
    """

    label: str
    path: str
    icon: str
    right: Right = Right.VIEW
    also: tuple[str, ...] = ()
    for_whole_companies: bool = False

    def is_at(self, path: str) -> bool:
        """Return whether an address belongs to this page."""
        return any(path == each or path.startswith(f"{each}/") for each in (self.path, *self.also))


@dataclass(frozen=True)
class Section:
    """Pages for one job. The first section has no label."""

    label: str
    items: tuple[Item, ...]


FLOWER = "flower:"
"""Placeholder for the address of Flower, which is a setting."""

SECTIONS = (
    Section("", (Item("Overview", "/", "home"),)),
    Section(
        "Front desk",
        (
            Item("Payments of the day", "/today", "calendar"),
            Item("Drawers", "/drawers", "cash-register"),
            Item("Payment preview", "/will-it-flow", "route"),
            Item("Patient balance", "/patient", "user"),
        ),
    ),
    Section(
        "Billing",
        (
            Item("Claims Feed", "/claims-feed", "stack-2", also=("/timeline", "/refused-events")),
            Item("Billing Exceptions", "/exceptions", "alert-triangle"),
            Item("Patient Payment Log", "/payment-log", "receipt", also=("/deposit-slip", "/entries", "/entries/new")),
            Item("Deposits", "/deposits", "building-bank", also=("/deposits/new",)),
            Item("Accounts", "/account", "wallet"),
            Item("Refunds", "/refunds", "arrow-back-up", also=("/refunds/new",)),
            Item("Transfers", "/transfers", "share", also=("/transfers/new",)),
            Item("Payment Balancing", "/balancing", "scale"),
            Item("Trends", "/trends", "activity"),
            Item("Months", "/months", "calendar-month", for_whole_companies=True),
        ),
    ),
    Section("Support", (Item("Requeue runs", "/requeue-runs", "refresh", Right.REQUEUE, also=("/requeue-runs/new",)),)),
    Section(
        "Operations",
        (
            Item("Health", "/operations", "heartbeat", Right.OPERATE, also=("/import-tasks",)),
            Item("Flower", FLOWER, "flower", Right.OPERATE),
        ),
    ),
    Section(
        "Administration",
        (
            Item("Clinic settings", "/clinics", "building-hospital", also=("/clinic",)),
            Item("Company settings", "/company", "settings", Right.CONFIGURE, for_whole_companies=True),
            Item("Users", "/users", "users", Right.ADMINISTER, also=("/user",)),
            Item("Audit history", "/audit", "history", Right.ADMINISTER),
            Item("Unconfirmed ids", "/new-ids", "id-badge", Right.ADMINISTER),
        ),
    ),
)

SEARCH = "/search"
OWN_ACCOUNT = "/own-account"
"""Pages to which the header links if they exist."""


def addresses() -> frozenset[str]:
    """Return all addresses that belong to items."""
    return frozenset(path for item in _all_items() for path in (item.path, *item.also))


def label_of(path: str) -> str:
    """Return the label of the item to which an address belongs. If there is none, return an empty text."""
    return next((item.label for item in _all_items() if item.is_at(path)), "")


def _all_items() -> Iterator[Item]:
    return (item for section in SECTIONS for item in section.items)


class Link(NamedTuple):
    """An item of the navigation, as it is shown on one page to one user."""

    label: str
    address: str
    icon: str
    is_current: bool


class Group(NamedTuple):
    """A section of the navigation, with the links that the user may see."""

    label: str
    links: list[Link]


def groups_for(user: User, path: str, existing: Collection[str], flower_url: str) -> list[Group]:
    """Return the navigation that a user sees at the address `path`.

    `existing` holds the paths of all pages that exist.
    """
    current = next((item for item in _all_items() if item.is_at(path)), None)
    groups = []
    for section in SECTIONS:
        items = [item for item in section.items if _is_shown(item, user, existing)]
        links = [_link(item, flower_url, is_current=item is current) for item in items]
        if links:
            groups.append(Group(section.label, links))
    return groups


def _is_shown(item: Item, user: User, existing: Collection[str]) -> bool:
    is_limited = item.for_whole_companies and user.scope.clinics is not None
    return (item.path == FLOWER or item.path in existing) and user.may(item.right) and not is_limited


def _link(item: Item, flower_url: str, *, is_current: bool) -> Link:
    address = flower_url if item.path == FLOWER else item.path
    return Link(item.label, address, item.icon, is_current)
