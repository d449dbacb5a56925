"""Random histories that are imported in random chunks give the results of a simple oracle."""

import random
from collections import defaultdict
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from payments.journeys.reporting import PaymentLogFilter, payment_log
from tests.builders.events import deleted_payment, event_body, payment_fields
from tests.builders.ledger import create_clinic, feed_rows, import_chunk
from tests.examples import example_count

EXAMPLES = example_count(5)
LINE_KEYS = [f"clinic/{payment}/{line}" for payment in ("p1", "p2", "p3") for line in ("1", "2")]
FIELD_VALUES = {
    "amount_paid": ["10.00", "25.00", "40.00"],
    "amount_due": ["25.00"] * 5 + ["0.00"],
    "charge_type": ["Copay"] * 4 + ["Supplies"],
    "method": ["Cash", "Check"],
    "transaction_date": ["2026-06-05", "2026-06-08", "2026-07-01"],
    "internal_payment": [False] * 5 + [True],
    "paid": [True] * 5 + [False],
    "memo": [None, "memo"],
}


class Oracle:
    """Computes the expected postings and feed row of one line by the rules of open months."""

    def __init__(self) -> None:
        self.version, self.money, self.row, self.was_sent = 0, {}, None, False

    def apply(self, event: dict) -> None:
        if event["version"] <= self.version:
            return
        self.version = event["version"]
        if event["type"] == "payment.deleted":
            self.set_result({}, ("Transmission Successful", None))
        elif not event["paid"]:
            self.set_result({}, ("Transmission Successful", None) if self.is_imported else None)
        elif event["internal_payment"]:
            self.set_result({}, ("Not Sent", "internal_payment"))
        elif event["charge_type"] != "Copay":
            self.set_result({}, ("Not Sent", "type_not_selected"))
        elif event["amount_due"] == "0.00":
            self.row = ("Transmission Successful", None)  # an exception; posted entries stay
        else:
            where = (event["transaction_date"], event["method"])
            self.set_result({where: Decimal(event["amount_paid"])}, ("Transmission Successful", None))

    @property
    def is_imported(self) -> bool:
        return self.was_sent or self.row == ("Transmission Successful", None)

    def set_result(self, ledger_sums: dict, row: tuple | None) -> None:
        self.money, self.row, self.was_sent = ledger_sums, row, self.was_sent or bool(ledger_sums)


def random_events(chance: random.Random) -> list[dict]:
    """Return random events of every line, in the order of their versions."""
    events = []
    for line in LINE_KEYS:
        _, payment_id, line_id = line.split("/")
        for version in range(1, chance.randint(1, 5) + 1):
            key = {"payment_id": payment_id, "line_id": line_id, "version": version}
            if chance.random() < 0.2:
                events.append(deleted_payment(**key).model_dump(mode="json", by_alias=True))
            else:
                events.append(
                    payment_fields(**key, **{name: chance.choice(values) for name, values in FIELD_VALUES.items()})
                )
    return events


def split_into_chunks(chance: random.Random, events: list[dict]) -> list[list[dict]]:
    cuts = sorted({0, len(events), *(chance.randrange(len(events)) for _ in range(4))})
    return [events[first:last] for first, last in pairwise(cuts)]


def import_and_predict(tx, chunks):
    """Import the chunks. Return an oracle for each line, after it has applied the line's versions chunk by chunk."""
    oracles = defaultdict(Oracle)
    for chunk in chunks:
        import_chunk(tx, *map(event_body, chunk))
        for event in sorted(chunk, key=lambda event: event["version"]):
            oracles[f"clinic/{event['payment_id']}/{event['line_id']}"].apply(event)
    return oracles


def ledger_sums(tx):
    """Return the nonzero sums of the ledger by payment, deposit date and method."""
    sums = defaultdict(lambda: defaultdict(Decimal))
    for row in payment_log(tx, PaymentLogFilter()):
        sums[row.payment][str(row.deposit_date), row.method] += row.amount
    return {payment: {where: amount for where, amount in by.items() if amount} for payment, by in sums.items()}


def whole_ledger(tx):
    return tx.execute(text("SELECT * FROM entries ORDER BY id")).all()


@pytest.fixture
def reopen_ledger(database):
    def reset_ledger(connection):
        connection.rollback()
        create_clinic(connection)
        return connection

    with database.connect() as connection:
        yield lambda: reset_ledger(connection)
        connection.rollback()


@settings(max_examples=EXAMPLES)
@given(chance=st.randoms(use_true_random=False))
def check_a_random_history(chance, reopen_ledger):
    tx = reopen_ledger()
    events = random_events(chance)
    shuffled = events + chance.choices(events, k=len(events) // 3)
    chance.shuffle(shuffled)

    oracles = import_and_predict(tx, split_into_chunks(chance, shuffled))

    found = ledger_sums(tx)
    assert {line: found.get(line, {}) for line in LINE_KEYS} == {line: oracles[line].money for line in LINE_KEYS}
    rows = {payment: (row.status, row.reason) for payment, row in feed_rows(tx).items()}
    assert rows == {line: oracle.row for line, oracle in oracles.items() if oracle.row}

    before = whole_ledger(tx)
    chance.shuffle(events)
    for chunk in split_into_chunks(chance, events):
        import_chunk(tx, *map(event_body, chunk))
    assert whole_ledger(tx) == before


@pytest.mark.slow
def test_random_histories_match_the_rules_and_a_replay_changes_nothing(reopen_ledger):
    check_a_random_history(reopen_ledger=reopen_ledger)
