"""An entry has the event's signature in a separate field, and the importer verifies it."""

from dataclasses import replace

import pytest
from sqlalchemy import text

from emr.client import PaymentFeed, SigningKey
from payments.contract.signature import Keyring
from payments.core.scope import Scope
from payments.journeys import reporting
from payments.journeys.reporting import FeedFilter
from payments.store.db.connection import transaction
from tasks.feed import import_attempt
from tests.builders.events import saved_patient, saved_payment

SECRET = b"s" * 32


@pytest.fixture
def strict_resources(resources):
    """Resources that require a signature."""
    return replace(resources, keyring=Keyring({"company": {"2026-10": SECRET}}))


@pytest.fixture
def publish(strict_resources, redis_url):
    """Return a function that publishes events. If `sign` is given, it signs them."""

    def publish(events, sign=None):
        with PaymentFeed(redis_url, strict_resources.settings.stream, sign=sign) as feed:
            feed.publish(events[0])
            feed.publish_many(events[1:])

    return publish


def statuses(strict_resources, clinic_id):
    with transaction(strict_resources.database) as tx:
        return [row.status for row in reporting.claims_feed(tx, FeedFilter(scope=Scope.of_clinics(clinic_id)))]


def dead_letters_without_company(strict_resources, clinic_id):
    query = text("SELECT count(*) FROM set_aside WHERE company_id IS NULL AND strpos(encode(body, 'escape'), :id) > 0")
    with transaction(strict_resources.database) as tx:
        return tx.execute(query, {"id": clinic_id}).scalar()


def test_signed_event_is_imported_and_unsigned_event_is_rejected(strict_resources, publish, clinic_id):
    events = [saved_patient(clinic_id), saved_payment(clinic_id=clinic_id, patient_id=clinic_id)]
    publish(events)
    assert str(import_attempt.import_new(strict_resources, "reply")).endswith("refused 2")
    assert statuses(strict_resources, clinic_id) == []
    assert dead_letters_without_company(strict_resources, clinic_id) == 2

    publish(events, SigningKey("2026-10", SECRET).sign)
    assert import_attempt.import_new(strict_resources, "reply").imported == 1
    assert statuses(strict_resources, clinic_id) == ["Transmission Successful"]


@pytest.mark.parametrize("signature", [b"\0\xff", b"x" * 1_000_000, b"", b"2026-10:\n"])
def test_malformed_signature_is_rejected_and_stored(strict_resources, clinic_id, signature):
    event = saved_payment(clinic_id=clinic_id).model_dump_json(by_alias=True).encode()
    strict_resources.feed.xadd(strict_resources.settings.stream, {"event": event, "signature": signature})

    assert import_attempt.import_new(strict_resources, "reply").refused == 1
    assert strict_resources.feed.xlen(strict_resources.settings.stream) == 0
