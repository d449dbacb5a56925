"""What is due: judged again in turns, and put off alone where it fails."""

from dataclasses import replace
from datetime import timedelta

from sqlalchemy import text

from payments.journeys.requeueing import requeue
from payments.store.db.connection import transaction
from tasks.feed import import_attempt
from tests.make import NOW, body, patient, saved
from tests.tasks.test_import_attempt import REFUSED, rows


def take(here, events):
    """Import events as they come in."""
    for event in events:
        here.feed.xadd(here.settings.stream, {"event": body(event)})
    import_attempt.import_new(here, "nobody")


def test_what_was_requeued_is_judged_in_turns_so_that_new_payments_come_in_between(here, clinic_id):
    take(here, [saved(payment_id=each, clinic_id=clinic_id, internal_payment=True) for each in ("1", "2")])
    with transaction(here.database) as tx:
        keys = [each.payment for each in rows(here, clinic_id).values()]
        assert requeue(tx, keys, NOW, "user:support").count == 2

    turns = [import_attempt.retry_due(here, 1, turn_seconds=0) for _ in range(3)]

    assert [(stats.evaluated, is_cut) for stats, is_cut in turns] == [(1, True), (1, True), (0, False)]


def test_a_due_line_that_cannot_be_posted_is_put_off_alone_and_in_the_end_not_sent(here, clinic_id):
    # The first pause is longer than the test, or what is put off may come due again while the rest is still tried.
    backoff_schedule = (timedelta(minutes=10), timedelta(hours=10))
    here = replace(here, settings=here.settings.model_copy(update={"retry_ladder": backoff_schedule}))
    ids = {"clinic_id": clinic_id, "patient_id": f"{clinic_id}-late"}
    held = [saved(payment_id=f"p{number}", **ids) for number in range(8)]
    held.insert(5, saved(payment_id="bad", reference="poison", **ids))
    take(here, held)
    take(here, [patient(ids["patient_id"])])

    stats, is_cut = import_attempt.retry_due(here, 500)

    assert not is_cut
    assert (stats.imported, stats.held) == (8, 1)
    row = rows(here, clinic_id)["bad"]
    assert (row.status, row.detail.partition(": ")[2]) == ("Transmission Pending", REFUSED)

    for _ in here.settings.retry_ladder[1:]:
        assert try_again(here).held == 1
    assert try_again(here).not_sent == 1
    row = rows(here, clinic_id)["bad"]
    assert (row.status, row.reason, row.detail.partition(": ")[2]) == ("Not Sent", "retries_exhausted", REFUSED)


def try_again(here):
    with transaction(here.database) as tx:
        tx.execute(text("UPDATE lines SET due_at = :now WHERE payment_id = 'bad'"), {"now": NOW})
    return import_attempt.retry_due(here, 500)[0]
