"""Order of events (rule D2, rows 1 to 3): late, repeated and shuffled events lead to the same result."""

from hypothesis import given
from hypothesis import strategies as st

from payments.contract.event import PaymentSaved
from payments.contract.money import ZERO, total
from payments.core.import_rule import ImportContext, decide
from payments.core.outcome import Status
from payments.core.version_check import VersionCheck, check_version
from tests.builders.events import BACKOFF, COPAYS, NOW, deleted_payment, saved_payment

CONTEXT = ImportContext(NOW, BACKOFF, COPAYS)

saved_fields = st.fixed_dictionaries(
    {
        "amount_paid": st.sampled_from(["10.00", "25.00", "40.00"]),
        "charge_type": st.sampled_from(["Copay", "Copay", "Supplies"]),
        "method": st.sampled_from(["Cash", "Check"]),
        "transaction_date": st.sampled_from(["2026-06-05", "2026-06-08"]),
        "internal_payment": st.sampled_from([False, False, True]),
        "paid": st.sampled_from([True, True, False]),
        "amount_due": st.sampled_from(["25.00", "25.00", "0.00"]),
    }
)
histories = st.lists(saved_fields | st.none(), min_size=1, max_size=6).map(
    lambda changes: [
        deleted_payment(version=version) if change is None else saved_payment(version=version, **change)
        for version, change in enumerate(changes, 1)
    ]
)


def line_after(events):
    """Decide these events in the given order, and return the resulting line."""
    line = None
    for event in events:
        if check_version(event, event.content_hash, line) is VersionCheck.NEW:
            line = decide(event, event.content_hash, line, CONTEXT).line
        assert line.posted == total(each.amount for each in line.postings)
    return line


def is_zero_due(event):
    return isinstance(event, PaymentSaved) and event.paid and not event.internal_payment and event.amount_due == ZERO


def is_unpaid(event):
    return isinstance(event, PaymentSaved) and not event.paid


@given(histories, st.data())
def test_shuffled_and_repeated_events_give_the_same_line(history, data):
    repeats = data.draw(st.lists(st.sampled_from(history), max_size=4))
    shuffled = data.draw(st.permutations(history + repeats))

    in_order, in_disorder = line_after(history), line_after(shuffled)

    assert (in_order.version, in_order.content_hash) == (in_disorder.version, in_disorder.content_hash)
    assert in_order.outcome.target == in_disorder.outcome.target
    assert in_order.outcome.reason == in_disorder.outcome.reason
    if is_unpaid(history[-1]):  # it has a row on the feed only if an earlier version was sent before it
        assert {in_order.outcome.status, in_disorder.outcome.status} <= {None, Status.SUCCESSFUL}
    else:
        assert in_order.outcome.status == in_disorder.outcome.status
    if not is_zero_due(history[-1]):  # such a line keeps what was posted before, and that depends on the order
        assert in_order.posted == in_disorder.posted


@given(histories)
def test_posted_amount_equals_the_target(history):
    line = line_after(history)

    if line.outcome.target is not None:
        assert line.posted == line.outcome.target


@given(histories)
def test_replay_of_all_events_posts_nothing(history):
    line = line_after(history)

    for event in history:
        if check_version(event, event.content_hash, line) is VersionCheck.NEW:
            assert decide(event, event.content_hash, line, CONTEXT).postings == ()
