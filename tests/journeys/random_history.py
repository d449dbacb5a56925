"""Generate random histories of a few lines. Compute the event and the expected amount of every version."""

from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from payments.contract.event import ChargeType
from tests.builders.events import deleted_payment, event_body, payment_fields

LINES, VERSIONS = ["a", "b", "c", "refund"], 5
PATIENTS, STRANGER = ["patient", "other"], "stranger"
TRANSACTION_DATES = ["2026-04-08", "2026-04-08", "2026-05-08", "2026-06-08"]
UNSELECTED_TYPE = ChargeType.SUPPLIES
VersionFields = dict[str, Any]

version_fields = st.fixed_dictionaries(
    {
        "deleted": st.sampled_from([False, False, False, True]),
        "amount": st.sampled_from(["10.00", "20.00", "30.00"]),
        "day": st.sampled_from(TRANSACTION_DATES),
        "method": st.sampled_from(["Cash", "Check"]),
        "memo": st.sampled_from([None, "x"]),
        "zero_due": st.sampled_from([False] * 5 + [True]),
        "kind": st.sampled_from(["paid"] * 5 + ["unpaid", "internal"]),
        "charge_type": st.sampled_from(["Copay", "Copay", "Payment on Account", UNSELECTED_TYPE]),
        "patient": st.sampled_from(["patient"] * 5 + ["other"] * 3 + [STRANGER]),
    }
)
histories = st.fixed_dictionaries({line: st.lists(version_fields, min_size=3, max_size=VERSIONS) for line in LINES})


def version_body(line: str, number: int, version: VersionFields, **other: object) -> bytes:
    """Return the event body of a version of a line. Fields in `other` replace its fields and cause a conflict."""
    if version["deleted"] and not other:
        return event_body(deleted_payment(payment_id=line, version=number, patient_id=version["patient"]))
    amount = str(_signed_amount(line, version))
    content = {
        "payment_id": line,
        "version": number,
        "amount_due": "0.00" if version["zero_due"] else amount,
        "amount_paid": amount,
        "refund_of": "clinic/a/1" if line == "refund" else None,
        "transaction_date": version["day"],
        "method": version["method"],
        "charge_type": version["charge_type"],
        "memo": version["memo"],
        "paid": version["kind"] != "unpaid",
        "internal_payment": version["kind"] == "internal",
        "patient_id": version["patient"],
    }
    return event_body(payment_fields(**(content | other)))


def expected_amount(line: str, version: VersionFields) -> Decimal:
    """Return the amount that a version should post. It depends on this version alone."""
    belongs = not version["deleted"] and version["kind"] == "paid" and version["charge_type"] != UNSELECTED_TYPE
    return _signed_amount(line, version) if belongs else Decimal(0)


def _signed_amount(line: str, version: VersionFields) -> Decimal:
    return Decimal(version["amount"]) * (-1 if line == "refund" else 1)
