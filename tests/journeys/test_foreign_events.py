"""An event that names a company without the company's valid signature has no effect on the company."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from payments.contract.signature import Keyring, signature_of
from payments.contract.size_limit import EVENT_BYTES_MAX
from payments.contract.stream_entry import StreamEntry
from payments.core.due_selection import DueSelection
from payments.core.import_stats import RunContext
from payments.journeys import importing, requeueing, retrying
from payments.store.db.connection import Transaction
from tests.builders.events import BACKOFF, NOW, SAVED_AT, event_body, fixed_stopwatch, payment_fields
from tests.builders.ledger import create_clinic
from tests.examples import example_count

SECRET, OTHER = b"s" * 32, b"t" * 32
KEYRING = Keyring({"company": {"2026-10": SECRET}, "other": {"2026-10": OTHER, "k": OTHER}})
CONFLICT_BODY = event_body(payment_fields(amount_due="26.00", amount_paid="26.00"))
OVERSIZED_BODY = event_body(payment_fields(payment_id="large", more="x" * EVENT_BYTES_MAX))
COMPARED_TABLES = (
    "lines",
    "patients",
    "charges",
    "findings",
    "clinics",
    "settings_changes",
    "companies",
    "company_months",
)
SignedBody = tuple[bytes, str | None]


def sign(body: bytes, key: str = "2026-10", secret: bytes = OTHER) -> str:
    return signature_of(body, key, secret)


def run_context_with_keys() -> RunContext:
    return RunContext(NOW, "tests-1", BACKOFF, fixed_stopwatch(), keyring=KEYRING)


def import_signed(tx: Transaction, *signed: SignedBody) -> None:
    importing.import_events(
        tx, [StreamEntry(f"{n}-1", *each) for n, each in enumerate(signed, 1)], run_context_with_keys()
    )


def publish_own_events(tx: Transaction) -> None:
    """Publish four signed events of the company: one is imported, one is held, and two become dead letters."""
    create_clinic(tx)
    payments = [payment_fields(), payment_fields(payment_id="held", patient_id="stranger")]
    bodies = [*map(event_body, payments), CONFLICT_BODY, OVERSIZED_BODY]
    import_signed(tx, *((body, sign(body, secret=SECRET)) for body in bodies))


def rows_of_the_company(tx: Transaction) -> list[Any]:
    """Return all rows of the company, and the open dead letters that name it."""
    tables = [tx.execute(text(f"SELECT * FROM {name} ORDER BY 1, 2")).all() for name in COMPARED_TABLES]
    entries = tx.execute(text("SELECT * FROM entries ORDER BY id")).all()
    named = "company_id = 'company' OR clinic_id = 'clinic' OR patient_id IN ('patient', 'stranger')"
    return [*tables, entries, tx.execute(text(f"SELECT * FROM set_aside WHERE {named} ORDER BY id")).all()]


def bodies_with_text(text_of_company: str) -> st.SearchStrategy[bytes]:
    """Return valid and invalid bodies. Their JSON object begins with `text_of_company`, which names a company."""
    changes = st.fixed_dictionaries(
        {},
        optional={
            "type": st.sampled_from(["payment.saved", "payment.deleted", "patient.saved", "charge.saved", "x"]),
            "payment_id": st.sampled_from(["payment", "held", "new", ""]),
            "patient_id": st.sampled_from(["patient", "stranger", "\0"]),
            "version": st.sampled_from([1, 2, 10**18, "2", None]),
            "amount_paid": st.sampled_from(["99.00", "-1.00", 5]),
            "saved_at": st.sampled_from([SAVED_AT.isoformat(), "2030-01-01T00:00:00Z", "never"]),
            "charge_id": st.just("c"),
            "patient_balance": st.just("5.00"),
            "insurance_open": st.just(False),
            "more": st.sampled_from(["x" * EVENT_BYTES_MAX, {"company_id": "other"}]),
        },
    )
    fields = changes.map(lambda changed: json.dumps(payment_fields(company_id=..., **changed))[1:])
    return fields.map(lambda rest: f"{{{text_of_company}, {rest}".encode())


company_texts = st.sampled_from(
    [
        '"company_id": "company"',
        '"company_id" :\t"company"',
        '"company_id": "comp\\u0061ny"',
        '"company\\u005fid": "company"',
        '"company_id": "other", "company\\u005fid": "company"',
        '"company_id": "other", "company_id": "company"',
        '"company\\u005fid": "company", "inner": {"company_id": "other"}',
        '"company_id": "company", "memo": "\\"company_id\\": \\"other\\""',
    ]
)
_NEW_PAYMENT_REST = json.dumps(payment_fields(payment_id="new", company_id=..., inner={"company_id": "other"}))[1:]
BODY_WITH_ESCAPED_KEY = b'{"company\\u005fid": "company", ' + _NEW_PAYMENT_REST.encode()
foreign_bodies = company_texts.flatmap(bodies_with_text) | st.sampled_from(
    [CONFLICT_BODY, OVERSIZED_BODY, CONFLICT_BODY[:-9], event_body(payment_fields())]
)
INVALID_SIGNATURES = [
    lambda body: None,
    lambda body: "",
    sign,
    lambda body: sign(body, "k"),
    lambda body: sign(body, "none"),
    lambda body: sign(body + b" ", secret=SECRET),
    lambda body: "2026-10:" + "0" * 64,
]


@pytest.mark.slow
@example(bodies=[(BODY_WITH_ESCAPED_KEY, sign)])
@given(bodies=st.lists(st.tuples(foreign_bodies, st.sampled_from(INVALID_SIGNATURES)), min_size=1, max_size=6))
@settings(max_examples=example_count(40), suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_event_without_the_signature_of_its_company_has_no_effect_on_it(tx, bodies):
    savepoint = tx.begin_nested()
    publish_own_events(tx)
    before = rows_of_the_company(tx)
    foreign = [(body, sign_it(body)) for body, sign_it in bodies]

    import_signed(tx, *foreign)
    retrying.dead_letter(tx, [StreamEntry(f"9-{n}", *each) for n, each in enumerate(foreign)], run_context_with_keys())
    rejected = tx.execute(text("SELECT id FROM set_aside WHERE company_id IS NULL ORDER BY id")).scalars().all()
    requeueing.requeue(tx, [f"refused:{row_id}" for row_id in rejected], NOW, "user:operator")
    importing.retry_dead_letters(tx, run_context_with_keys(), DueSelection(500))

    assert rejected
    assert rows_of_the_company(tx) == before
    savepoint.rollback()


def test_rejected_copy_does_not_change_the_dead_letter_of_the_signed_event(tx):
    publish_own_events(tx)
    query = text("SELECT id, signature, attempts, error FROM set_aside WHERE body = :body ORDER BY id")
    (own,) = tx.execute(query, {"body": CONFLICT_BODY}).all()

    import_signed(tx, (CONFLICT_BODY, None), (CONFLICT_BODY, sign(CONFLICT_BODY)))

    kept, rejected = tx.execute(query, {"body": CONFLICT_BODY}).all()
    assert kept == own
    assert rejected.error.startswith("signature: ")


def test_signed_event_is_imported_after_an_unsigned_copy_was_rejected(tx):
    create_clinic(tx)
    body = event_body(payment_fields())

    import_signed(tx, (body, None))
    import_signed(tx, (body, sign(body, secret=SECRET)))

    assert tx.execute(text("SELECT amount FROM entries")).scalars().all() == [25]


def test_oversized_dead_letter_keeps_its_company_when_it_is_requeued(tx):
    publish_own_events(tx)
    find = text("SELECT id, company_id, attempts, error FROM set_aside WHERE whole_bytes > 0 ORDER BY id")
    (before,) = tx.execute(find).all()
    import_signed(tx, (OVERSIZED_BODY, None))

    requeueing.requeue(tx, [f"refused:{row.id}" for row in tx.execute(find)], NOW, "user:operator")
    importing.retry_dead_letters(tx, run_context_with_keys(), DueSelection(500))

    own, foreign = tx.execute(find).all()
    assert own == (before.id, "company", 2, before.error)
    assert (foreign.company_id, foreign.attempts) == (None, 2)
