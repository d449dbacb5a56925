"""Undo of a decision (rule D6): it restores the ledger's sums and the proposal, and changes no closed month."""

from collections import defaultdict
from datetime import date
from itertools import count

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from payments.contract.money import ZERO
from payments.core.finding import (
    FindingReason,
    apply_acceptance,
    apply_acknowledgement,
    import_postings,
    proposed_adjustments,
    required_finding,
)
from payments.core.import_rule import ImportContext, decide
from payments.core.line import EntryKind
from payments.core.month import Month, MonthState
from payments.core.undoing import PostedEntry, reversals, undo_acceptance, undo_acknowledgement
from tests.builders.events import BACKOFF, COPAYS, NOW, deleted_payment, ledger_posting, next_version, saved_payment

MAY_DAY, JUNE_DAY, TODAY = date(2026, 5, 20), date(2026, 6, 5), date(2026, 6, 10)
CONTEXT_MAY_CLOSED = ImportContext(NOW, BACKOFF, COPAYS, months={Month(2026, 5): MonthState.CLOSED})
CONTEXT_MAY_OPEN = CONTEXT_MAY_CLOSED._replace(months={})
field_changes = st.fixed_dictionaries(
    {},
    optional={
        "amount_paid": st.sampled_from(["25.00", "10.00", "60.00"]),
        "amount_due": st.sampled_from(["25.00", "0.00"]),
        "method": st.sampled_from(["Cash", "Check"]),
        "transaction_date": st.sampled_from([str(MAY_DAY), str(JUNE_DAY)]),
        "memo": st.sampled_from(["a", "b"]),
        "paid": st.booleans(),
    },
)
# Versions of a line: what each changes, whether May is closed by then, and the deposit date of an acceptance, if any.
version_lists = st.lists(
    st.tuples(field_changes | st.just("deleted"), st.booleans(), st.none() | st.sampled_from([JUNE_DAY, TODAY])),
    min_size=2,
    max_size=6,
)


def line_with_a_finding(versions):
    """Return the line after `versions`. Accept findings with a deposit date, except that of the last version."""
    line, event, is_closed = None, saved_payment("25.00", transaction_date=str(MAY_DAY)), False
    for number, (changes, closes, deposit) in enumerate(versions):
        if number:
            deleted = deleted_payment(version=event.version + 1)
            event = deleted if changes == "deleted" else next_saved_event(event, changes)
        is_closed = is_closed or (closes and number > 0)
        line = decide(event, event.content_hash, line, CONTEXT_MAY_CLOSED if is_closed else CONTEXT_MAY_OPEN).line
        if deposit and number < len(versions) - 1 and required_finding(line):
            line = accept_finding(line, deposit)[0]
    return line


def next_saved_event(event, changes):
    if event.type == "payment.deleted":
        return saved_payment(**{"version": event.version + 1, "transaction_date": str(MAY_DAY), **changes})
    return next_version(event, **changes)


def accept_finding(line, deposit):
    posted = tuple(each.to_posting(deposit) for each in proposed_adjustments(line))
    return apply_acceptance(line, posted), [
        PostedEntry(n, each, EntryKind.ADJUSTMENT) for n, each in zip(count(1), posted)
    ]


def import_line(line):
    posted = import_postings(line)
    return apply_acceptance(line, posted), [PostedEntry(n, each, EntryKind.IMPORT) for n, each in zip(count(1), posted)]


def undo_decision(line, reason, entries, open_days, hash_before):
    reversed_by = tuple(each.posting for each in reversals(entries, open_days, TODAY))
    return undo_acceptance(line, reason, reversed_by, hash_before), reversed_by


def sums_by_dimensions(postings, *, by_date):
    found = defaultdict(lambda: ZERO)
    for amount, dimensions in postings:
        found[dimensions if by_date else dimensions._replace(deposit_date=date.min)] += amount
    return {key: amount for key, amount in found.items() if amount}


@given(version_lists, st.sampled_from([JUNE_DAY, TODAY]), st.booleans())
def test_undo_restores_the_sums_and_the_proposal(versions, deposit, is_june_closed_meanwhile):
    line = line_with_a_finding(versions)
    found = required_finding(line)
    assume(found is not None)
    after, entries = accept_finding(line, deposit)
    open_days = {TODAY} if is_june_closed_meanwhile else {TODAY, JUNE_DAY}

    reopened, reversed_by = undo_decision(after, found.reason, entries, open_days, line.acknowledged_hash)

    assert required_finding(reopened) == found
    assert reopened.posted == line.posted
    assert sums_by_dimensions(reopened.postings, by_date=False) == sums_by_dimensions(line.postings, by_date=False)
    assert reopened.outcome == line.outcome
    assert reopened.acknowledged_hash == line.acknowledged_hash
    assert {each.dimensions.deposit_date for each in reversed_by} <= open_days
    if not is_june_closed_meanwhile:
        assert sums_by_dimensions(reopened.postings, by_date=True) == sums_by_dimensions(line.postings, by_date=True)


@given(version_lists, st.sampled_from(["20.00", "25.00"]), st.sets(st.sampled_from([MAY_DAY, JUNE_DAY])))
def test_undo_of_an_imported_zero_due_restores_the_sums_and_the_proposal(versions, amount, open_days):
    earlier = [(changes, False, deposit) for changes, _, deposit in versions]
    zero_due = {"amount_due": "0.00", "amount_paid": amount, "paid": True}
    line = line_with_a_finding([*earlier, (zero_due, False, None)])
    found = required_finding(line)
    assert found is not None
    assert found.reason is FindingReason.ZERO_DUE
    after, entries = import_line(line)

    reopened, reversed_by = undo_decision(after, found.reason, entries, open_days, line.acknowledged_hash)

    assert required_finding(reopened) == found
    assert sums_by_dimensions(reopened.postings, by_date=False) == sums_by_dimensions(line.postings, by_date=False)
    assert {each.dimensions.deposit_date for each in reversed_by} <= open_days | {TODAY}


@given(version_lists, st.sampled_from([JUNE_DAY, TODAY]))
def test_decision_can_be_undone_and_repeated_any_number_of_times(versions, deposit):
    line = line_with_a_finding(versions)
    found = required_finding(line)
    assume(found is not None)
    once, _ = accept_finding(line, deposit)
    reopened = line
    for _ in range(3):
        after, entries = accept_finding(reopened, deposit)
        assert sums_by_dimensions(after.postings, by_date=False) == sums_by_dimensions(once.postings, by_date=False)
        assert after.outcome == once.outcome
        reopened, _ = undo_decision(after, found.reason, entries, {TODAY, JUNE_DAY}, reopened.acknowledged_hash)


@given(version_lists)
def test_undo_of_an_acknowledgement_restores_the_line(versions):
    line = line_with_a_finding(versions)
    assume(required_finding(line) is not None)

    assert undo_acknowledgement(apply_acknowledgement(line), line.acknowledged_hash) == line


@pytest.mark.parametrize(
    ("kind", "open_days", "expected"),
    [
        (EntryKind.IMPORT, {JUNE_DAY}, ("2026-06-05", EntryKind.IMPORT)),
        (EntryKind.IMPORT, set(), ("2026-06-10", EntryKind.ADJUSTMENT)),
        (EntryKind.ADJUSTMENT, {JUNE_DAY}, ("2026-06-05", EntryKind.ADJUSTMENT)),
        (EntryKind.ADJUSTMENT, set(), ("2026-06-10", EntryKind.ADJUSTMENT)),
    ],
)
def test_reversal_keeps_the_deposit_date_in_an_open_month_only(kind, open_days, expected):
    day, reversed_kind = expected
    entry = PostedEntry(7, ledger_posting("15.00"), kind)

    (found,) = reversals([entry], open_days, TODAY)

    assert found == (7, ledger_posting("-15.00", day), reversed_kind)


def test_reversals_are_in_the_opposite_order_of_the_entries():
    first, second = ledger_posting("-40.00"), ledger_posting("40.00", "2026-06-05")
    entries = [PostedEntry(1, first, EntryKind.ADJUSTMENT), PostedEntry(2, second, EntryKind.ADJUSTMENT)]

    assert [each.reverses for each in reversals(entries, {JUNE_DAY}, TODAY)] == [2, 1]
