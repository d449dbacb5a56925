"""The hits of a search for patients and payments. The best hits come first."""

# ruff: noqa: PLC0415 (a command imports what is heavy when it runs, so that `payments --help` answers immediately)

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from console.reports.definition import Column, ColumnKind, Report
from console.reports.output import Record, Value
from console.reports.parameters import company, parameter
from payments.core.scope import Scope

if TYPE_CHECKING:
    from payments.journeys.searching import PatientHit, PaymentHit, SearchResult

MATCHES = {
    "id": "Id",
    "check_number": "Check number",
    "name": "Name",
    "amount": "Amount",
    "id_beginning": "Beginning of the id",
    "check_number_beginning": "Beginning of the check number",
    "name_beginning": "Beginning of the name",
    "part": "Part of the name or id",
    "similar": "Similar name",
    "patient": "Patient",
}
"""The label of each way in which a row can match the text."""


@dataclass(frozen=True, kw_only=True)
class SearchParameters:
    """The text to search for."""

    q: str = parameter(
        "Search",
        "A patient's name or id, a payment's id or key, a check number, or an amount such as $25.00; also a part of a "
        "name or id.",
        option="",
        metavar="TEXT",
        required=True,
        size=32,
        is_search=True,
    )
    company: str | None = company()

    def scope(self, scope: Scope) -> Scope:
        """Return `scope`, limited to the company of these parameters if there is one."""
        return scope.narrowed_to_company(self.company)


def _match_text(record: Record) -> Value:
    return MATCHES[str(record["match"])]


def _key_text(record: Record) -> Value:
    return record["payment"] or record["refused"]


def _state_text(record: Record) -> Value:
    """Return the text that a terminal shows as state: the state of a payment, or the number of a patient's payments."""
    from console.plurals import plural

    count = record["payments"]
    return plural(count, "payment") if isinstance(count, int) else record["status"] or NEVER_SENT


def _posted_text(record: Record) -> Value:
    from payments import posted_wording

    posted, amount = record["posted"], Decimal(str(record["posted_amount"]))
    if record["kind"] == "patient":
        return f"{amount:,.2f} in Billing"
    return posted_wording.posted_label(str(posted), amount) if posted else None


NEVER_SENT = "Not marked Paid"
"""The state of a payment that is not on the Claims Feed, such as one that is not marked Paid."""

SEARCH = Report(
    title="Search",
    columns=(
        Column("kind", "Kind"),
        Column("match", "Found by", text=_match_text, from_width=150),
        Column("payment", "Payment", wraps=True, text=_key_text, css_class="pay"),
        Column("patient", "Patient", wraps=True, css_class="whose"),
        Column("patient_name", "Name", wraps=True),
        Column("company", "Company", from_width=190),
        Column("clinic", "Clinic"),
        Column("charge_type", "Charge type", from_width=120),
        Column("amount", "Amount", ColumnKind.MONEY),
        Column("transaction_date", "Transaction date", ColumnKind.DATE, from_width=130),
        Column("reference", "Check number", from_width=160),
        Column("status", "Transmission", text=_state_text),
        Column("reason", "Reason"),
        Column("posted", "Posted", wraps=True, text=_posted_text, from_width=110),
        Column("posted_amount", "Amount in Billing", ColumnKind.MONEY),
        Column("payments", "Payments", ColumnKind.COUNT),
        Column("refused", "Refused event"),
    ),
    table=(
        *("payment", "patient", "patient_name", "charge_type", "amount", "transaction_date", "reference", "status"),
        *("posted", "match", "company"),
    ),
    page=("payment", "patient", "charge_type", "amount", "transaction_date", "reference", "status", "posted", "match"),
    noun="hit",
    empty="Nothing found. Check the spelling, or enter a part of the name or id.",
    parameters=SearchParameters,
)


def search_records(result: SearchResult) -> list[Record]:
    """Return the hits as records, the best hits first.

    If two hits match equally well, patients come before payments.
    """
    hits = [
        *((each.match.rank, 0, _patient_record(each)) for each in result.patients),
        *((each.match.rank, 1, _payment_record(each)) for each in result.payments),
    ]
    return [record for _, _, record in sorted(hits, key=lambda hit: hit[:2])]


def _patient_record(hit: PatientHit) -> Record:
    found = hit.patient
    return dict.fromkeys(SEARCH.keys) | {
        "kind": "patient",
        "match": hit.match.value,
        "patient": found.patient,
        "patient_name": found.patient_name,
        "company": found.company,
        "transaction_date": found.transaction_date,
        "posted_amount": found.posted,
        "payments": found.payments,
    }


def _payment_record(hit: PaymentHit) -> Record:
    found = hit.payment
    row = found.row._asdict()
    return {name: row.get(name) for name in SEARCH.keys} | {
        "kind": "payment",
        "match": hit.match.value,
        "transaction_date": found.transaction_date,
        "reference": found.reference,
    }
