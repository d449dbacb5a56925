"""Events may come late, twice and in any order: the newest version decides, and the end is the same."""

from hypothesis import given
from hypothesis import strategies as st

from payments.contract.event import PaymentSaved
from payments.contract.money import ZERO, total
from payments.core.import_rule import ImportContext, VersionCheck, check_version, decide
from payments.core.outcome import Status
from tests.make import BACKOFF, COPAYS, NOW, deleted, saved

FACTS = ImportContext(NOW, BACKOFF, COPAYS)

saves = st.fixed_dictionaries(
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
histories = st.lists(saves | st.none(), min_size=1, max_size=6).map(
    lambda changes: [
        deleted(version=version) if change is None else saved(version=version, **change)
        for version, change in enumerate(changes, 1)
    ]
)


def folded(events):
    line = None
    for event in events:
        if check_version(event, event.content_hash, line) is VersionCheck.NEW:
            line = decide(event, event.content_hash, line, FACTS).line
        assert line.posted == total(each.amount for each in line.postings)
    return line


def is_questioned(event):
    return isinstance(event, PaymentSaved) and event.paid and not event.internal_payment and event.amount_due == ZERO


def is_unpaid(event):
    return isinstance(event, PaymentSaved) and not event.paid


@given(histories, st.data())
def test_any_order_with_any_repeats_ends_the_same(history, data):
    repeats = data.draw(st.lists(st.sampled_from(history), max_size=4))
    shuffled = data.draw(st.permutations(history + repeats))

    straight, crooked = folded(history), folded(shuffled)

    assert (straight.version, straight.content_hash) == (crooked.version, crooked.content_hash)
    assert straight.outcome.target == crooked.outcome.target
    assert straight.outcome.reason == crooked.outcome.reason
    if is_unpaid(history[-1]):  # a row on the feed only where an earlier version was sent before it
        assert {straight.outcome.status, crooked.outcome.status} <= {None, Status.SUCCESSFUL}
    else:
        assert straight.outcome.status == crooked.outcome.status
    if not is_questioned(history[-1]):  # what stands is left alone then, and that depends on what came before
        assert straight.posted == crooked.posted


@given(histories)
def test_what_stands_is_what_should_stand(history):
    line = folded(history)

    if line.outcome.target is not None:
        assert line.posted == line.outcome.target


@given(histories)
def test_a_replay_of_everything_posts_nothing(history):
    line = folded(history)

    for event in history:
        if check_version(event, event.content_hash, line) is VersionCheck.NEW:
            assert decide(event, event.content_hash, line, FACTS).postings == ()
