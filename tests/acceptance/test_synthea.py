"""A real Synthea export is imported once: each payment is visible, and totals match.

A second import changes nothing.
"""

import csv
import os
import random
from decimal import Decimal
from pathlib import Path

import pytest

from emr.client import body_of
from emr.synthea import read_export
from tests.acceptance.events import total_amount
from tests.acceptance.stack import Stack

EXPORT_FOLDER = Path(os.environ.get("SYNTHEA_DIR", Path(__file__).parents[3] / "shared" / "data" / "synthea"))


@pytest.mark.skipif(
    not (EXPORT_FOLDER / "claims_transactions.csv").exists(),
    reason=f"no Synthea export in {EXPORT_FOLDER}; SYNTHEA_DIR may name one",
)
def test_export_that_is_imported_twice_is_posted_once_to_the_cent(stack: Stack) -> None:
    money, clinics = _patient_payments(), {row["PLACEOFSERVICE"] for row in _rows()}
    stack.run_successfully("emr", "replay-synthea", EXPORT_FOLDER)
    stack.wait_until_idle()

    feed = {row["payment"]: row for row in stack.report("claims-feed") if row["clinic"] in clinics}
    assert {row["payment"].split("/")[1] for row in feed.values()} == set(money)
    assert {
        row["status"] == "Transmission Successful" or (row["status"], bool(row["reason"])) == ("Not Sent", True)
        for row in feed.values()
    } == {True}
    sent = {row["payment"].split("/")[1] for row in feed.values() if row["status"] == "Transmission Successful"}
    before = [row for row in stack.report("payment-log") if row["payment"] in feed]
    assert total_amount(before) == sum(amount for payment_id, amount in money.items() if payment_id in sent)

    export = read_export(EXPORT_FOLDER)
    events = [body_of(event) for event in (*export.patients(), *export.payments())]
    for seed in (1, 2):
        random.Random(seed).shuffle(events)
        stack.publish(*events)
        stack.wait_until_idle()

    assert [row for row in stack.report("payment-log") if row["payment"] in feed] == before


def _rows() -> list[dict[str, str]]:
    with (EXPORT_FOLDER / "claims_transactions.csv").open(encoding="utf-8", newline="") as lines:
        return sorted(csv.DictReader(lines), key=lambda row: (row["CLAIMID"], int(row["CHARGEID"])))


def _patient_payments() -> dict[str, Decimal]:
    """Compute the amounts of the patient payments from the export, without the tested code. Return them by payment id.

    The debtor of a claim is the TRANSFERTYPE of its latest row that has one; `p` means the patient. A copay is always
    paid by the patient.
    """
    money: dict[str, Decimal] = {}
    owes: dict[str, str] = {}
    for row in _rows():
        if row["TRANSFERTYPE"]:
            owes[row["CLAIMID"]] = row["TRANSFERTYPE"]
        is_from_patient = row["METHOD"] == "COPAY" or owes.get(row["CLAIMID"]) == "p"
        if row["TYPE"] == "PAYMENT" and is_from_patient and Decimal(row["PAYMENTS"]):
            money[row["ID"]] = Decimal(row["PAYMENTS"])
    return money
