"""The models of request and response bodies of the API. OpenAPI is generated from them."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, create_model

from console.reports.claims_feed import ClaimsFeedParameters
from console.web.filters import STORABLE_PATTERN, Count, Day, RowId, Storable, Text, filter_fields
from payments.core.month import MonthState
from payments.core.outcome import Reason, Status
from payments.core.requeue_result import RequeueResult as RequeueResultCode

ROWS_MAX = 1000


class Body(BaseModel):
    """Base class of request bodies. A body with an unknown key is refused."""

    model_config = ConfigDict(extra="forbid")


class RequeueRequest(Body):
    """The payments to requeue, by their keys: clinic/payment/line. `company` selects one company."""

    payments: Annotated[list[Text], Field(min_length=1, max_length=ROWS_MAX)]
    company: Text | None = None


_FILTERS: dict[str, Any] = {
    name: field for name, field in filter_fields(ClaimsFeedParameters).items() if name not in {"as_of", "sort"}
}


class _RequeueRunRequest(Body):
    count: Annotated[Count, Field(description="The number of payments that was confirmed.")]


RequeueRunRequest = create_model(
    "RequeueRunRequest",
    __base__=_RequeueRunRequest,
    __doc__="A filter of the Claims Feed as it is now, and the number of matching payments that was confirmed.",
    **_FILTERS,
)


class AcceptRequest(Body):
    """The version of the payment that the caller has seen, and the deposit date, by default the current day."""

    version: RowId
    deposit_date: Day | None = None


class AcknowledgeRequest(Body):
    """The version of the payment that the caller has seen, and the reason why nothing is posted."""

    version: RowId
    reason: Annotated[str, Field(min_length=1, max_length=500, pattern=STORABLE_PATTERN), Storable]


class Problem(BaseModel):
    """The reason why a request failed, in one sentence, and what to do next."""

    error: str
    next: str | None


class Rows(BaseModel):
    """Rows of a report.

    To get the next page, pass `next` as `after`; on the last page, `next` is null. To get the previous page, pass
    `previous` as `before`; on the first page, `previous` is null.
    """

    rows: list[dict[str, Any]]
    next: str | None
    previous: str | None


class FlowPreview(BaseModel):
    """Whether a payment would be sent to Billing (`flows`), otherwise the `reason`, and the state of its month.

    `posted` is true if the amount would be in Billing without a biller's decision. `status` is the transmission status,
    or null if the payment is not marked Paid. `next` is what to do, or null if nothing needs to be done.
    """

    flows: bool
    reason: Reason | None
    month_state: MonthState
    sentence: str
    posted: bool
    status: Status | None
    next: str | None


class RequeueResult(BaseModel):
    """The number of requeued payments. `passed_over` lists the skipped keys: already imported or not found."""

    count: int
    passed_over: list[str]


class RequeueResultCount(BaseModel):
    """The number and the sum in dollars of the payments with one result. `reason` says why payments are not sent."""

    code: RequeueResultCode
    reason: Reason | None
    count: int
    total: str | None
    result: str


class RequeuePreviewResult(BaseModel):
    """The number of matching payments, their sum in dollars, and how many of them would be imported (`flowing`).

    `results` counts the payments by expected result and reason.
    """

    count: int
    total: str
    flowing: int
    results: list[RequeueResultCount]


class RequeueRunStarted(BaseModel):
    """The id of a run, and its number of payments, which may be lower than the confirmed number."""

    run: int
    count: int


class RequeueRunProgress(BaseModel):
    """A run: its state (`running`, `stopped` or `done`), the payments that matched, and the payments requeued so far.

    `outcome` counts the requeued payments by result and reason.
    """

    run: int
    state: str
    total: int
    done: int
    outcome: list[RequeueResultCount]


class RequeueRunStopped(BaseModel):
    """A run that was cancelled, and how many payments it had requeued."""

    run: int
    state: str
    done: int


class InstallationHealth(BaseModel):
    """The health of the installation. Each list has the rows of one table of the page Health."""

    is_healthy: bool
    components: list[dict[str, Any]]
    nightly_jobs: list[dict[str, Any]]
    failed_tasks: list[dict[str, Any]]
    postponed_work: list[dict[str, Any]]
    waiting_events: list[dict[str, Any]]
    queues: list[dict[str, Any]]
    recurring_tasks: list[dict[str, Any]]
    dead_letters: list[dict[str, Any]]
    feed: list[dict[str, Any]]


class PostedEntry(BaseModel):
    """An entry that was posted. The amount is in dollars."""

    amount: Annotated[str, Field(pattern=r"^-?\d+\.\d\d$")]
    method: str
    charge_type: str
    deposit_date: Day


class AcceptResult(BaseModel):
    """The payment of an accepted exception and its posted entries. `before` is true if an earlier call accepted it."""

    payment: str
    posted: list[PostedEntry]
    before: bool


class AcknowledgeResult(BaseModel):
    """The payment of an acknowledged exception."""

    payment: str


class RefusedEvent(BaseModel):
    """A refused event, unchanged. `field` is the wrong field, or null if the event was valid.

    `body` is the text of the event, or null if its bytes are not UTF-8. `body_base64` has all bytes. If `is_whole` is
    false, the event was too large, and only its beginning is kept. `byte_count` and `sha256` are of the whole event.
    """

    id: int
    key: str
    payment: str | None
    company: str | None
    clinic: str | None
    patient: str | None
    event_type: str | None
    version: int | None
    saved_at: str | None
    status: Status
    reason: Reason
    error: str
    field: str | None
    received_at: str
    attempts: int
    is_open: bool
    entry_id: str
    byte_count: int
    sha256: str
    is_whole: bool
    body: str | None
    body_base64: str


def success_response(model: type[BaseModel]) -> dict[int | str, dict[str, Any]]:
    """Return the OpenAPI description of a successful response."""
    return {200: {"model": model}}


PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"model": Problem, "description": description}
    for status, description in {
        400: "The body is not JSON",
        401: "There is no session or token, or it has expired",
        403: "The role does not include the right, or the account does not include the company or clinic",
        404: "Not found",
        409: "The exception or the number of payments has changed, several companies have the id, or the action is not "
        "allowed; nothing was changed",
        422: "A parameter or field is invalid",
        503: "PostgreSQL does not answer; check what was changed before repeating the call",
    }.items()
}
