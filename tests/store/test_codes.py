"""Migration 0014: an exception's reason is stored as a code and as the old sentence. Old history gets codes."""

from datetime import date

import pytest
from sqlalchemy import text

from payments.core.finding import FindingReason
from payments.core.history import HistoryCode
from payments.store.db.connection import Transaction
from payments.wording import FINDING_REASONS, HISTORY_CODES
from tests.builders.events import paid, saved_payment
from tests.builders.office import Office

SENTENCE_BY_REASON = {reason.value: text_ for reason, text_ in FINDING_REASONS.items()}


def stored_reasons(tx: Transaction) -> list[tuple[str, str]]:
    return [(row.reason, row.reason_code) for row in tx.execute(text("SELECT reason, reason_code FROM findings"))]


@pytest.fixture
def tx_with_finding(tx: Transaction) -> Transaction:
    office = Office(tx, date(2026, 6, 20))
    office.publish(saved_payment(payment_id="free", **(paid("4.00", "2026-05-08") | {"amount_due": "0.00"})))
    return tx


def test_inserted_reason_code_also_sets_the_old_sentence(tx_with_finding: Transaction) -> None:
    assert stored_reasons(tx_with_finding) == [("Amount Due is 0.00", "zero_due")]


@pytest.mark.parametrize("reason", FindingReason)
def test_reason_written_as_a_sentence_by_an_earlier_release_sets_the_code(
    tx_with_finding: Transaction, reason: FindingReason
) -> None:
    tx_with_finding.execute(text("UPDATE findings SET reason = :sentence"), {"sentence": SENTENCE_BY_REASON[reason]})

    assert stored_reasons(tx_with_finding) == [(SENTENCE_BY_REASON[reason], reason)]


@pytest.mark.parametrize("reason", FindingReason)
def test_update_of_the_code_replaces_the_sentence(tx_with_finding: Transaction, reason: FindingReason) -> None:
    tx_with_finding.execute(text("UPDATE findings SET reason_code = :code"), {"code": reason})

    assert stored_reasons(tx_with_finding) == [(SENTENCE_BY_REASON[reason], reason)]


NEW_CODES = {
    *(HistoryCode.EXCEPTION_UNDONE, HistoryCode.EXCEPTION_REOPENED, HistoryCode.EXCEPTION_ASSIGNED),
    *(HistoryCode.EXCEPTION_ENTRY_LINKED, HistoryCode.EXCEPTION_ENTRY_UNLINKED),
}
# The sentences that the history held before it held codes; some of them have been reworded.
OLD_SENTENCE_BY_CODE = {code: words for code, words in HISTORY_CODES.items() if code not in NEW_CODES} | {
    HistoryCode.EXCEPTION_CLOSED: "Exception closed by itself",
    HistoryCode.EXCEPTION_RECOMPUTED: "Exception recomputed",
    HistoryCode.FAILED: "Failed",
    HistoryCode.NEVER_SENT: "Not to be sent",
    HistoryCode.RESUBMITTED: "Re-submitted",
    HistoryCode.DEAD_LETTER_RESUBMITTED: "Re-submitted",
}


def test_sentences_of_old_history_are_translated_to_codes(tx: Transaction) -> None:
    query = text("SELECT history_code(:what)")
    # Dead letters had the same sentence as lines, which translates to the code of the lines.
    old = {code: words for code, words in OLD_SENTENCE_BY_CODE.items() if code != "dead_letter_resubmitted"}

    assert {tx.execute(query, {"what": words}).scalar_one(): words for words in old.values()} == old
    assert all(tx.execute(query, {"what": code}).scalar_one() == code for code in HISTORY_CODES)
