"""Roles and their rights, users, and the delay after failed logins. Nothing here uses the database."""

from dataclasses import dataclass
from enum import StrEnum

from payments.core.scope import EVERYTHING, Scope


class Right(StrEnum):
    """A right that a page or an API call requires."""

    VIEW = "view"
    REQUEUE = "requeue"
    EDIT = "edit"
    POST_ENTRIES = "post_entries"
    COUNT_DRAWERS = "count_drawers"
    CLOSE_DRAWERS = "close_drawers"
    MAKE_DEPOSITS = "make_deposits"
    APPROVE_REFUNDS = "approve_refunds"
    CONFIGURE = "configure"
    EXPORT = "export"
    OPERATE = "operate"
    ADMINISTER = "administer"

    @property
    def phrase(self) -> str:
        """The actions that the right permits, for display: an infinitive without "to"."""
        return _RIGHT_PHRASES[self]


_RIGHT_PHRASES = {
    Right.VIEW: "see payments and reports",
    Right.REQUEUE: "requeue payments",
    Right.EDIT: "accept or acknowledge exceptions, and close months",
    Right.POST_ENTRIES: (
        "make, link and reverse manual entries, request, issue and void refunds, and make and undo transfers"
    ),
    Right.COUNT_DRAWERS: "open and count drawers",
    Right.CLOSE_DRAWERS: "close drawers that another person has counted",
    Right.MAKE_DEPOSITS: "make and reverse deposits",
    Right.APPROVE_REFUNDS: "approve refunds that others have requested",
    Right.CONFIGURE: "change clinic and company settings",
    Right.EXPORT: "export reports",
    Right.OPERATE: "view running tasks in Flower",
    Right.ADMINISTER: "manage users and read the audit history",
}


class Role(StrEnum):
    """A user's role, which decides the user's rights."""

    FRONT_OFFICE = "front-office"
    BILLING = "billing"
    SUPPORT = "support"
    OPERATOR = "operator"
    ADMIN = "admin"

    @property
    def summary(self) -> str:
        """One sentence for display: who has the role, and what the role permits."""
        return _ROLE_SUMMARIES[self]


_ROLE_SUMMARIES = {
    Role.FRONT_OFFICE: "The front desk sees payments and reports, and opens and counts drawers.",
    Role.BILLING: (
        "Billers see payments and reports, requeue payments, decide exceptions, make manual entries, refunds, "
        "transfers and deposits, close drawers and months, and export reports."
    ),
    Role.SUPPORT: "Support sees payments and reports, requeues payments and changes clinic settings.",
    Role.OPERATOR: "Operators see payments and reports, requeue payments and view running tasks in Flower.",
    Role.ADMIN: "Administrators may do everything. Only they manage users and read the audit history.",
}


RIGHTS_BY_ROLE: dict[Role, frozenset[Right]] = {
    Role.FRONT_OFFICE: frozenset({Right.VIEW, Right.COUNT_DRAWERS}),
    Role.BILLING: frozenset(
        {
            *(Right.VIEW, Right.REQUEUE, Right.EDIT, Right.POST_ENTRIES, Right.APPROVE_REFUNDS, Right.EXPORT),
            *(Right.CLOSE_DRAWERS, Right.MAKE_DEPOSITS),
        }
    ),
    Role.SUPPORT: frozenset({Right.VIEW, Right.REQUEUE, Right.CONFIGURE}),
    Role.OPERATOR: frozenset({Right.VIEW, Right.REQUEUE, Right.OPERATE}),
    Role.ADMIN: frozenset(Right),
}


@dataclass(frozen=True, slots=True)
class User:
    """A user. `scope` holds the companies and clinics that the user may see."""

    name: str
    role: Role
    scope: Scope = EVERYTHING

    def may(self, right: Right) -> bool:
        """Return whether the user's role has the right."""
        return right in RIGHTS_BY_ROLE[self.role]

    @property
    def audit_name(self) -> str:
        """The user's name in the stored histories, such as `user:anna`."""
        return f"user:{self.name}"


@dataclass(frozen=True, slots=True)
class LoginDelays:
    """The delays before the next login after consecutive failures. The first `free` failures cause no delay.

    The next failure causes a delay of `first_seconds`. Each further failure doubles the delay, up to `max_seconds`.
    """

    free: int = 5
    first_seconds: int = 2
    max_seconds: int = 900

    def delay_seconds(self, failures: int) -> int:
        """Return the delay in seconds after this number of consecutive failures."""
        beyond = failures - self.free
        return 0 if beyond < 0 else min(self.max_seconds, self.first_seconds * 2 ** min(beyond, 20))
