"""Who may do what in the console: one table from roles to rights. Knows no session and no page."""

from dataclasses import dataclass
from enum import StrEnum


class Right(StrEnum):
    """Something that a page or a call of the API asks for; each is granted by itself."""

    VIEW = "view"
    REQUEUE = "requeue"
    EDIT = "edit"
    CONFIGURE = "configure"
    EXPORT = "export"
    OPERATE = "operate"
    ADMINISTER = "administer"

    @property
    def phrase(self) -> str:
        """What it lets people do, as they read it."""
        return _PHRASES[self]


_PHRASES = {
    Right.VIEW: "see payments and reports",
    Right.REQUEUE: "requeue payments",
    Right.EDIT: "work exceptions and close months",
    Right.CONFIGURE: "change clinic settings",
    Right.EXPORT: "export",
    Right.OPERATE: "watch the machinery in Flower",
    Right.ADMINISTER: "manage users and read the audit history",
}


class Role(StrEnum):
    """What somebody is in the office."""

    FRONT_OFFICE = "front-office"
    BILLING = "billing"
    SUPPORT = "support"
    OPERATOR = "operator"
    ADMIN = "admin"


RIGHTS: dict[Role, frozenset[Right]] = {
    Role.FRONT_OFFICE: frozenset({Right.VIEW}),
    Role.BILLING: frozenset({Right.VIEW, Right.REQUEUE, Right.EDIT, Right.EXPORT}),
    Role.SUPPORT: frozenset({Right.VIEW, Right.REQUEUE, Right.CONFIGURE}),
    Role.OPERATOR: frozenset({Right.VIEW, Right.REQUEUE, Right.OPERATE}),
    Role.ADMIN: frozenset(Right),
}


@dataclass(frozen=True, slots=True)
class User:
    """Somebody who may log in; `clinics` is what the view is limited to, None for all."""

    name: str
    role: Role
    clinics: tuple[str, ...] | None = None

    def may(self, right: Right) -> bool:
        """Say whether the user's role has the right."""
        return right in RIGHTS[self.role]

    def sees(self, clinic_id: str | None) -> bool:
        """Say whether the user may see what belongs to this clinic; what names none is for those without a limit."""
        return self.clinics is None or clinic_id in self.clinics

    @property
    def signature(self) -> str:
        """How the user is named in the history of payments."""
        return f"user:{self.name}"


@dataclass(frozen=True, slots=True)
class Pauses:
    """How long a log-in has to wait after failures: nothing for the first few, then doubled each time."""

    free: int = 5
    first_seconds: int = 2
    most_seconds: int = 900

    def after(self, failures: int) -> int:
        """Return the pause in seconds after so many failures in a row."""
        beyond = failures - self.free
        return 0 if beyond < 0 else min(self.most_seconds, self.first_seconds * 2 ** min(beyond, 20))
