"""What programs send to the API and what they get: described in OpenAPI, and checked where they send it."""

from typing import Annotated, Any

from pydantic import BaseModel, Field

from console.web.filters import STORABLE_PATTERN, Day, Storable, Text
from payments.core.month import MonthState
from payments.core.outcome import Reason

ROWS_MAX = 1000
RowNumber = Annotated[int, Field(ge=1, le=2**62)]


class Requeue(BaseModel):
    """Payments by their keys, clinic/payment/line."""

    payments: Annotated[list[Text], Field(min_length=1, max_length=ROWS_MAX)]


class Accept(BaseModel):
    """An exception as it was read: the version of the payment, and a deposit date where it is not to be today."""

    version: RowNumber
    deposit_date: Day | None = None


class Acknowledge(BaseModel):
    """An exception as it was read, and why nothing is to be posted."""

    version: RowNumber
    reason: Annotated[str, Field(min_length=1, max_length=500, pattern=STORABLE_PATTERN), Storable]


class Problem(BaseModel):
    """Why something was not done, in a sentence, and what to do next."""

    error: str
    next: str | None


class Rows(BaseModel):
    """Rows of a report; `next`, unless it is null, is the `after` of the question for those that follow."""

    rows: list[dict[str, Any]]
    next: str | int | None


class Flow(BaseModel):
    """Whether a payment would flow to Billing, why not, and how far its month is on its way to being closed."""

    flows: bool
    reason: Reason | None
    month_state: MonthState
    sentence: str


class Requeued(BaseModel):
    """How many payments are judged again, and which of the keys name none that needs it."""

    count: int
    passed_over: list[str]


class Posted(BaseModel):
    """An entry that was posted; the amount in dollars."""

    amount: Annotated[str, Field(pattern=r"^-?\d+\.\d\d$")]
    method: str
    charge_type: str
    deposit_date: Day


class Settled(BaseModel):
    """What accepting came to; `before` says that it had been accepted already."""

    payment: str
    posted: list[Posted]
    before: bool


class Acknowledged(BaseModel):
    """The payment of an exception that has ended."""

    payment: str


def gives(shape: type[BaseModel]) -> dict[int | str, dict[str, Any]]:
    """Return how OpenAPI describes an answer of this shape."""
    return {200: {"model": shape}}


PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"model": Problem, "description": description}
    for status, description in {
        400: "The body is no JSON",
        401: "Neither a session nor a token was shown, or it has ended",
        403: "The role does not include the right, or the account not the clinic",
        404: "There is none",
        409: "It has changed since, or may not be done; nothing was done",
        422: "A parameter or field is not as described",
        503: "PostgreSQL does not answer; nothing was done",
    }.items()
}
