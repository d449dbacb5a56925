"""The filter of the Claims Feed as SQL conditions. Criteria that are not given add no condition, so indexes apply."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from payments.contract.keys import KeyReading
from payments.contract.money import Money
from payments.core.outcome import Reason, Status
from payments.core.posted import PostedFilter
from payments.core.scope import EVERYTHING, Scope
from payments.store.db.conditions import conditions, in_scope, parameters_of
from payments.store.feed.feed_columns import DEAD_LETTER_DAY, LINE_AMOUNT
from payments.store.feed.posted import dead_letter_is_in, line_is_in


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedFilter:
    """Criteria for rows of the Claims Feed. A criterion that is None selects all rows.

    - `since`, `until`: clinic-local days of the save, inclusive.
    - `payment`: a printed key, with or without its company and its line.
    - `find`: a printed key, or a patient's id, which may contain slashes as well.
    - `amount`: in dollars.
    - `scope`: the requested companies and clinics that the user may see.
    - `as_of`: a moment; the feed is selected as it was then.
    """

    since: date | None = None
    until: date | None = None
    status: Status | None = None
    reason: Reason | None = None
    posted: PostedFilter | None = None
    scope: Scope = EVERYTHING
    patient: str | None = None
    payment: str | None = None
    find: str | None = None
    amount: Money | None = None
    as_of: datetime | None = None


# A printed key can be split in several ways, because ids may contain slashes. An index finds each of them: the key of
# the lines in each company that has the clinic.
_NAMED_PAYMENTS = "unnest(CAST(:of_clinic AS text[]), CAST(:of_payment AS text[])) AS named(clinic_id, payment_id)"
_NAMES_LINE = (
    f"(company_id, clinic_id, payment_id) IN (SELECT company_id, clinic_id, payment_id FROM {_NAMED_PAYMENTS} "
    "JOIN clinics USING (clinic_id))"
)
_NAMES_DEAD_LETTER = f"(clinic_id, payment_id) IN (SELECT * FROM {_NAMED_PAYMENTS})"
_CLINIC_AND_PAYMENT = "clinic_id || '/' || payment_id"
_PRINTED_FORMS = [
    f"{company}{_CLINIC_AND_PAYMENT}{line}"
    for company in ("", "company_id || ':' || ")
    for line in ("", " || '/' || line_id")
]
_IS_WHOLE_KEY = f"AND :of_key IN ({', '.join(_PRINTED_FORMS)})"


def line_conditions(feed_filter: FeedFilter) -> str:
    """Return the conditions on `lines`, each preceded by AND, without the conditions of the scope.

    The caller adds the conditions of the scope, because it may read `lines` clinic by clinic.
    """
    # A clinic's local day differs from the UTC day of `saved_at`, which is indexed, by one day at most. Row-level
    # security keeps PostgreSQL from using the index for a comparison with another type.
    since = " AND saved_at >= CAST(CAST(:since AS date) - 1 AS timestamptz)" if feed_filter.since else ""
    until = " AND saved_at < CAST(CAST(:until AS date) + 2 AS timestamptz)" if feed_filter.until else ""
    posted = f" AND {line_is_in(feed_filter.posted, as_of=feed_filter.as_of is not None)}" if feed_filter.posted else ""
    return _conditions(feed_filter, _NAMES_LINE, "saved_on", f"({LINE_AMOUNT})") + since + until + posted


def line_conditions_in_scope(feed_filter: FeedFilter) -> str:
    """Return the conditions on `lines`, each preceded by AND, including the conditions of the scope."""
    return line_conditions(feed_filter) + in_scope(feed_filter.scope, "lines")


def dead_letter_conditions(feed_filter: FeedFilter, table: str = "set_aside") -> str:
    """Return the conditions on dead letters, each preceded by AND, including the conditions of the scope.

    `table` is `set_aside`, or a table with the same columns.
    """
    posted = f" AND {dead_letter_is_in(feed_filter.posted, table)}" if feed_filter.posted else ""
    of_filter = _conditions(feed_filter, _NAMES_DEAD_LETTER, DEAD_LETTER_DAY, "amount_paid")
    return of_filter + posted + in_scope(feed_filter.scope, table)


def _conditions(feed_filter: FeedFilter, names: str, day: str, amount: str) -> str:
    of_payment = f"{names} {_IS_WHOLE_KEY}"
    # The status is in the text so that partial indexes apply; the enum refuses any text that is no status.
    status = f"status = '{Status(feed_filter.status)}'" if feed_filter.status else ""
    parts = {
        "since": f"{day} >= :since",
        "until": f"{day} <= :until",
        "status": status,
        "reason": "reason = :reason",
        "patient": "patient_id = :patient",
        "payment": of_payment,
        "find": f"(patient_id = :find OR {of_payment})" if "/" in (feed_filter.find or "") else "patient_id = :find",
        "amount": f"{amount} = :amount",
    }
    return conditions(feed_filter, parts)


def parameters(feed_filter: FeedFilter) -> dict[str, Any]:
    """Return the values of the parameters in the conditions."""
    given = parameters_of(feed_filter)
    key = feed_filter.payment or feed_filter.find
    if key is not None:
        # The second form is a key without its line.
        readings = (each.key for form in (key, f"{key}/") for each in KeyReading.parse_all(form))
        pairs = {(each.clinic_id, each.payment_id) for each in readings}
        given |= {"of_clinic": [clinic for clinic, _ in pairs], "of_payment": [payment for _, payment in pairs]}
    return given | {"of_key": key}
