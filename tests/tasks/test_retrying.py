"""Due lines are retried in time slices. If a line fails, only this line is postponed."""

from dataclasses import replace
from datetime import timedelta

import sqlalchemy
from sqlalchemy import create_engine, text

from payments.core.scope import Scope
from payments.journeys import reporting
from payments.journeys.reporting import FeedFilter
from payments.journeys.requeueing import requeue
from payments.store.db.connection import transaction
from tasks.feed import import_attempt, retry_attempt
from tests.builders.events import NOW, event_body, payment_fields, saved_patient, saved_payment
from tests.tasks.test_import_attempt import REFUSAL_MESSAGE, rows


def import_events(resources, events):
    """Publish and import events."""
    for event in events:
        resources.feed.xadd(resources.settings.stream, {"event": event_body(event)})
    import_attempt.import_new(resources, "no-reply")


def test_requeued_lines_are_retried_in_time_slices(resources, clinic_id):
    import_events(
        resources, [saved_payment(payment_id=each, clinic_id=clinic_id, internal_payment=True) for each in ("1", "2")]
    )
    with transaction(resources.database) as tx:
        keys = [each.payment for each in rows(resources, clinic_id).values()]
        assert requeue(tx, keys, NOW, "user:support").count == 2

    slices = [retry_attempt.retry_due(resources, 1, time_slice_seconds=0) for _ in range(3)]

    assert [(stats.evaluated, has_more) for stats, has_more in slices] == [(1, True), (1, True), (0, False)]


def test_dead_letters_do_not_wait_for_all_due_lines(resources, clinic_id):
    internal = {"clinic_id": clinic_id, "internal_payment": True}
    wrong = payment_fields(payment_id="wrong", clinic_id=clinic_id, method="wrong")
    import_events(resources, [*(saved_payment(payment_id=each, **internal) for each in "12"), wrong])
    with transaction(resources.database) as tx:
        of_clinic = FeedFilter(scope=Scope.of_clinics(clinic_id))
        letters = [row.refused for row in reporting.claims_feed(tx, of_clinic) if row.refused]
        assert requeue(tx, [*(f"{clinic_id}/{each}/1" for each in "12"), *letters], NOW, "user:support").count == 3

    stats, has_more = retry_attempt.retry_due(resources, 1, time_slice_seconds=0)

    assert (stats.evaluated, stats.refused, has_more) == (2, 1, True)


def test_due_line_that_fails_is_postponed_alone_and_finally_not_sent(resources, clinic_id):
    # The first delay is longer than the test, so that the postponed line is not due again during it.
    schedule = (timedelta(minutes=10), timedelta(hours=10))
    resources = replace(resources, settings=resources.settings.model_copy(update={"retry_ladder": schedule}))
    ids = {"clinic_id": clinic_id, "patient_id": f"{clinic_id}-late"}
    held = [saved_payment(payment_id=f"p{number}", **ids) for number in range(8)]
    held.insert(5, saved_payment(payment_id="bad", reference="poison", **ids))
    import_events(resources, held)
    import_events(resources, [saved_patient(ids["patient_id"])])

    stats, has_more = retry_attempt.retry_due(resources, 500)

    assert not has_more
    assert (stats.imported, stats.held) == (8, 1)
    row = rows(resources, clinic_id)["bad"]
    assert (row.status, row.detail.partition(": ")[2]) == ("Transmission Pending", REFUSAL_MESSAGE)

    for _ in resources.settings.retry_ladder[1:]:
        assert retry_bad_line(resources).held == 1
    assert retry_bad_line(resources).not_sent == 1
    row = rows(resources, clinic_id)["bad"]
    assert (row.status, row.reason, row.detail.partition(": ")[2]) == ("Not Sent", "retries_exhausted", REFUSAL_MESSAGE)


def test_only_the_line_that_failed_is_postponed(resources, clinic_id):
    ids = {"clinic_id": clinic_id, "patient_id": f"{clinic_id}-late"}
    healthy, bad = (
        saved_payment(payment_id="healthy", **ids),
        saved_payment(payment_id="bad", reference="poison", **ids),
    )
    import_events(resources, [healthy, bad])
    import_events(resources, [saved_patient(ids["patient_id"])])
    due_at = text("UPDATE lines SET due_at = saved_at - interval '1 day' WHERE payment_id = 'healthy'")
    engine = create_engine(resources.database.url)
    with engine.connect() as other:
        other.execute(due_at)
        other.commit()
        # Another worker holds the line that is due first, until the attempt at the other one fails.
        other.execute(text("SELECT id FROM lines WHERE payment_id = 'healthy' FOR UPDATE"))
        sqlalchemy.event.listen(resources.database, "rollback", lambda _: other.rollback())
        retry_attempt.retry_due(resources, 1, time_slice_seconds=0)
    engine.dispose()

    found = rows(resources, clinic_id)
    assert {name: row.detail.partition(": ")[2] for name, row in found.items()} == {
        "healthy": "",
        "bad": REFUSAL_MESSAGE,
    }
    assert retry_attempt.retry_due(resources, 500)[0].imported == 1


def retry_bad_line(resources):
    with transaction(resources.database) as tx:
        tx.execute(text("UPDATE lines SET due_at = :now WHERE payment_id = 'bad'"), {"now": NOW})
    return retry_attempt.retry_due(resources, 500)[0]
