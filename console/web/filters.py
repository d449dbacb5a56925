"""What people choose on a page, read from its address: days, clinic, status, type; an empty field chooses nothing."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Annotated, Any, Self

from pydantic import BaseModel, BeforeValidator, Field, StringConstraints, model_validator

from console.web.auth import NUL_SENTENCE
from console.web.errors import PageError
from payments.access.rights import User
from payments.contract.event import ChargeType, Method
from payments.contract.fields import YEAR_FIRST
from payments.core.finding import FindingReason, FindingStatus
from payments.core.outcome import ClosedCase, Reason, Status
from payments.journeys.reporting import ExceptionFilter, FeedCursor, FeedFilter, GroupBy, LogCursor, LogFilter


def _without_nul(value: object) -> object:
    if isinstance(value, str) and "\0" in value:
        raise ValueError(NUL_SENTENCE)
    return value


STORABLE_PATTERN = r"^[^\x00]*$"
"""How the description of the API says it; the check before it says it in words."""
Storable = BeforeValidator(_without_nul)
Text = Annotated[str, StringConstraints(strip_whitespace=True, max_length=200, pattern=STORABLE_PATTERN), Storable]


def _without_marks(value: object) -> object:
    return value.replace(",", "").replace("$", "").replace("\u2212", "-").strip() if isinstance(value, str) else value


Amount = Annotated[Decimal, BeforeValidator(_without_marks), Field(max_digits=12, decimal_places=2)]
FIRST_DAY, LAST_DAY = date(YEAR_FIRST, 1, 1), date(2999, 12, 31)
Day = Annotated[date, Field(ge=FIRST_DAY, le=LAST_DAY)]


class Filter(BaseModel):
    """What every page's choice has in common."""

    @model_validator(mode="before")
    @classmethod
    def _leave_out_the_empty(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        return {name: value for name, value in given.items() if not (isinstance(value, str) and not value.strip())}


class Period(Filter):
    """A choice of days and of a clinic."""

    since: Day | None = None
    until: Day | None = None
    clinic: Text | None = None

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.since and self.until and self.until < self.since:
            raise ValueError(f"the last day, {self.until}, lies before the first, {self.since}")
        return self

    def clinics(self, user: User) -> tuple[str, ...] | None:
        """Return the clinics that the user may see of those that are asked for; None is all of them."""
        if self.clinic is None:
            return user.clinics
        if not user.sees(self.clinic):
            raise PageError(403, f"Your account does not include clinic {self.clinic}.", "Choose one of your own.")
        return (self.clinic,)


class FeedChoice(Period):
    """A choice of the Claims Feed; `find` is a patient's id or the key of a payment."""

    status: Status | None = None
    reason: Reason | None = None
    find: Text | None = None
    amount: Amount | None = None
    after: Text | None = None

    def wanted(self, user: User) -> FeedFilter:
        """Return it for the ledger, limited to what the user may see."""
        is_key = self.find is not None and "/" in self.find
        return FeedFilter(
            since=self.since,
            until=self.until,
            status=self.status,
            reason=self.reason,
            clinics=self.clinics(user),
            patient=None if is_key else self.find,
            payment=self.find if is_key else None,
            amount=self.amount,
        )

    def place(self) -> FeedCursor | None:
        """Return after which row the page begins."""
        if self.after is None:
            return None
        try:
            micros, source, number = map(int, self.after.split("."))
            at = datetime.fromtimestamp(micros // 1_000_000, UTC).replace(microsecond=micros % 1_000_000)
            return FeedCursor(at, min(1, max(0, source)), min(number, 2**62))
        except (ValueError, OverflowError, OSError):
            raise PageError(422, "This page of the feed cannot be found.", "Start again from its first page.") from None


def encode_cursor(place: FeedCursor) -> str:
    """Return a place as a page's address holds it."""
    micros = round(place.at.replace(microsecond=0).timestamp()) * 1_000_000 + place.at.microsecond
    return f"{micros}.{place.source}.{place.id}"


class ExceptionChoice(Period):
    """A choice of Billing Exceptions."""

    status: FindingStatus | None = FindingStatus.OPEN
    everything: bool = False
    reason: FindingReason | None = None
    case: ClosedCase | None = None
    patient: Text | None = None
    after: Annotated[int, Field(ge=0, le=2**62)] = 0

    def query(self, user: User) -> ExceptionFilter:
        """Return it for the ledger, limited to what the user may see."""
        return ExceptionFilter(
            status=None if self.everything else self.status,
            reason=self.reason,
            case=self.case,
            clinics=self.clinics(user),
            patient=self.patient,
            since=self.since,
            until=self.until,
        )


class LogChoice(Period):
    """A choice of the Patient Payment Log; days are deposit dates."""

    patient: Text | None = None
    charge_type: ChargeType | None = None
    method: Method | None = None
    kind: Annotated[Text, Field(pattern="^(import|adjustment|manual)$")] | None = None
    group_by: GroupBy | None = None
    after: Text | None = None

    def query(self, user: User) -> LogFilter:
        """Return it for the ledger, limited to what the user may see."""
        return LogFilter(
            patient_id=self.patient,
            since=self.since,
            until=self.until,
            charge_type=self.charge_type,
            method=self.method,
            kind=self.kind,
            clinics=self.clinics(user),
        )

    def place(self) -> LogCursor | None:
        """Return after which entry the page begins."""
        if self.after is None:
            return None
        day, _, number = self.after.partition(".")
        try:
            return LogCursor(date.fromisoformat(day), min(int(number), 2**62))
        except ValueError:
            raise PageError(422, "This page of the log cannot be found.", "Start again from its first page.") from None
