"""A requeue run: its preview, the payments that it requeues, and their results."""

from datetime import timedelta

import pytest

from payments.contract.event import ChargeType
from payments.core.outcome import Reason, Status
from payments.core.postponed_work import Selection
from payments.core.requeue_result import RequeueResult
from payments.core.scope import EVERYTHING, Scope
from payments.journeys import requeue_runs, requeueing
from payments.journeys.reporting import FeedFilter
from payments.journeys.requeue_runs import MoreThanConfirmedError
from tests.builders.events import NOW, paid, saved_patient, saved_payment
from tests.builders.ledger import create_clinic, feed_rows, import_chunk
from tests.builders.office import Office

AUDIT_USER = "user:support"
NOT_SENT_FILTER = FeedFilter(status=Status.NOT_SENT)


def supplies_payment(payment_id, **fields):
    return saved_payment("25.00", payment_id=payment_id, charge_type="Supplies", **fields)


@pytest.mark.parametrize("confirmed", [None, 2, 3])
def test_run_starts_unless_more_match_than_were_confirmed(tx, confirmed):
    create_clinic(tx)
    import_chunk(tx, supplies_payment("a"), supplies_payment("b"))

    assert requeue_runs.start_run(tx, NOT_SENT_FILTER, NOW, AUDIT_USER, confirmed).matching == 2


@pytest.mark.parametrize("confirmed", [0, 1])
def test_run_requeues_nothing_if_more_match_than_confirmed(tx, confirmed):
    create_clinic(tx)
    import_chunk(tx, supplies_payment("a"), supplies_payment("b"))

    with pytest.raises(
        MoreThanConfirmedError, match=f"2 payments match now, you confirmed {confirmed}; nothing was requeued"
    ):
        requeue_runs.start_run(tx, NOT_SENT_FILTER, NOW, AUDIT_USER, confirmed)
    assert {row.status for row in feed_rows(tx).values()} == {"Not Sent"}


@pytest.fixture
def office(tx):
    """An office with a payment for each result of a requeue, all Not Sent because Supplies was not selected."""
    office = Office(tx, NOW)
    office.set_types(ChargeType.COPAY)
    office.publish(saved_patient())
    later = (NOW + timedelta(seconds=1)).isoformat()  # than the selection of Copay alone
    zero_due = paid("4.00", "2020-06-05") | {"amount_due": "0.00"}
    office.publish(
        supplies_payment("known", saved_at=later),
        supplies_payment("unknown", patient_id="nobody", saved_at=later),
        saved_payment(payment_id="closed", charge_type="Supplies", saved_at=later, **paid("7.00", "2020-04-03")),
        saved_payment(payment_id="zero-due", charge_type="Supplies", saved_at=later, **zero_due),
        saved_payment("3.00", payment_id="parking", charge_type="Wellness", saved_at=later),
        b'{"clinic_id": "clinic", "company_id": "company"}',
    )
    office.close_months("2020-04")
    office.set_types(ChargeType.COPAY, ChargeType.SUPPLIES)
    return office


EXPECTED_RESULTS = [
    (RequeueResult.IMPORTED, None, 1),
    (RequeueResult.ZERO_DUE, None, 1),
    (RequeueResult.CLOSED_MONTH, None, 1),
    (RequeueResult.PATIENT_NOT_FOUND, None, 1),
    (RequeueResult.NOT_SENT, Reason.TYPE_NOT_SELECTED, 1),
]


def test_preview_counts_the_expected_results_by_reason(office):
    preview = requeueing.preview_requeue(office.tx, NOT_SENT_FILTER, office.now)

    assert [(each.result, each.reason, each.count) for each in preview.results] == EXPECTED_RESULTS


def test_outcome_of_a_run_equals_its_preview(office):
    run = run_to_its_end(office, NOT_SENT_FILTER)
    assert [(each.result, each.count) for each in run_outcome(office, run)] == [(RequeueResult.WAITING, 5)]
    assert requeue_runs.store_outcomes(office.tx, office.now) == 0

    office.run_sweeps()

    assert [(each.result, each.reason, each.count) for each in run_outcome(office, run)] == EXPECTED_RESULTS
    assert requeue_runs.store_outcomes(office.tx, office.now) == 1
    stored = requeue_runs.show_run(office.tx, run, EVERYTHING)
    assert [(each.result, each.reason, each.count) for each in stored.outcome] == EXPECTED_RESULTS
    assert not requeue_runs.has_unfinished_run(office.tx)


def test_outcome_of_a_dead_letter_names_its_reason(office):
    run = run_to_its_end(office, FeedFilter(status=Status.VALIDATION_FAILED))
    office.run_sweeps()

    (found,) = run_outcome(office, run)
    assert (found.result, found.reason, found.count) == (RequeueResult.NOT_SENT, Reason.INVALID_EVENT, 1)


def test_outcome_of_a_run_is_stored_after_a_day_although_payments_wait(office):
    run_to_its_end(office, NOT_SENT_FILTER)

    assert requeue_runs.store_outcomes(office.tx, office.now + timedelta(days=1, seconds=1)) == 1


def test_run_of_one_company_stores_the_company(office):
    one = FeedFilter(status=Status.NOT_SENT, scope=Scope.of_companies("company"))
    runs = [requeue_runs.start_run(office.tx, each, office.now, AUDIT_USER).run_id for each in (one, NOT_SENT_FILTER)]

    assert [requeue_runs.show_run(office.tx, run, EVERYTHING).company_id for run in runs] == ["company", None]


def test_chunks_of_several_runs_are_requeued_in_turn(office):
    first, second = (
        requeue_runs.start_run(office.tx, NOT_SENT_FILTER, office.now, AUDIT_USER).run_id for _ in range(2)
    )
    done = []
    for second_later in range(1, 5):
        selection = Selection()
        now = office.now + timedelta(seconds=second_later)
        requeue_runs.requeue_chunk_of_next_run(office.tx, now, 1, selection)
        done.append(int(selection.selected[0].item_id))

    assert done == [first, second, first, second]


def test_cancelled_run_requeues_no_more_until_it_is_resumed(office):
    run = requeue_runs.start_run(office.tx, NOT_SENT_FILTER, office.now, AUDIT_USER).run_id
    requeue_runs.requeue_next_chunk(office.tx, run, office.now, 2)
    requeue_runs.stop_run(office.tx, run, office.now)
    assert not requeue_runs.requeue_chunk_of_next_run(office.tx, office.now, 2, Selection())

    requeue_runs.resume_run(office.tx, run, office.now)
    while requeue_runs.requeue_next_chunk(office.tx, run, office.now, 2):
        pass

    found = requeue_runs.show_run(office.tx, run, EVERYTHING)
    assert (found.state, found.done) == ("done", 5)


def run_to_its_end(office, feed_filter):
    run = requeue_runs.start_run(office.tx, feed_filter, office.now, AUDIT_USER).run_id
    while requeue_runs.requeue_next_chunk(office.tx, run, office.now, 2):
        pass
    return run


def run_outcome(office, run):
    return requeue_runs.read_outcome(office.tx, requeue_runs.show_run(office.tx, run, EVERYTHING))
