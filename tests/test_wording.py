"""Every stored code has display text, and no business rule depends on that text."""

import ast
from collections.abc import Mapping
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Any, get_args

import pytest

from payments import audit_wording, balancing_wording, operations_wording, posted_wording, wording
from payments.core.account import AllocationRule
from payments.core.balancing import BalancingNote, BalancingNoteCode, ReconcilingItem
from payments.core.finding import FindingNote, FindingReason
from payments.core.history import HistoryCode, NoEffectCause
from payments.core.nightly_job import NightlyJob
from payments.core.outcome import ClosedCase, HoldCause, Reason, Status
from payments.core.posted import PostedFilter
from payments.core.postponed_work import WorkKind
from payments.core.refund import RefundProblem
from payments.core.requeue_result import RequeueResult
from payments.help_texts import Topic, help_texts
from payments.journeys.configuring import CompanyRow
from tasks.resources import WorkerName

ROOT = Path(wording.__file__).parents[1]
WORDS_BY_CODES: list[tuple[type[StrEnum], Mapping[Any, str]]] = [
    (Reason, wording.REASONS),
    (Reason, wording.REASON_TERMS),
    (ClosedCase, wording.CLOSED_CASES),
    (FindingReason, wording.FINDING_REASONS),
    (AllocationRule, wording.ALLOCATION_RULES),
    (RefundProblem, wording.REFUND_PROBLEMS),
    (ReconcilingItem, balancing_wording.ITEM_SENTENCES),
    (BalancingNoteCode, balancing_wording.BALANCING_NOTES),
    (FindingNote, wording.FINDING_NOTES),
    (HistoryCode, wording.HISTORY_CODES),
    (NoEffectCause, wording.NO_EFFECT_CAUSES),
    (NightlyJob, operations_wording.JOB_NAMES),
    (WorkKind, operations_wording.WORK_KIND_NAMES),
    (RequeueResult, operations_wording.REQUEUE_RESULT_SENTENCES),
    (PostedFilter, posted_wording.POSTED_TERMS),
]


@pytest.mark.parametrize(("codes", "words"), WORDS_BY_CODES)
def test_every_code_has_display_text(codes: type[StrEnum], words: Mapping[Any, str]) -> None:
    assert set(words) == set(codes)
    assert all(words.values())


def test_every_worker_has_display_text() -> None:
    assert set(wording.WORKER_LABELS) == set(get_args(WorkerName))


@pytest.mark.parametrize(
    ("signature", "shown", "worker"),
    [
        ("importer-4671", "Import", "importer-4671"),
        ("retrier-7", "Import retry", "retrier-7"),
        ("backoffice-1", "Exception check", "backoffice-1"),
        ("user:importer-1", "user:importer-1", None),
        ("cli:0 (root)", "cli:0 (root)", None),
        ("company policy: auto", "company policy: auto", None),
    ],
)
def test_worker_is_shown_as_its_work(signature: str, shown: str, worker: str | None) -> None:
    assert (wording.actor(signature), wording.worker(signature)) == (shown, worker)


@pytest.mark.parametrize(
    ("stored", "shown"),
    [
        ("timezone_chosen: False to True", "Time zone: not chosen to chosen"),
        (
            "timezone: UTC to America/Denver, timezone_chosen: False to True, hold_days: 30 to 3",
            "Time zone: UTC to America/Denver, hold days: 30 to 3",
        ),
        ("dos_first: False to True", "Own date of service first: no to yes"),
        (
            "adjustments: review to auto",
            "Adjustments of closed months: reviewed by a biller to accepted automatically",
        ),
        ("a note from before", "a note from before"),
    ],
)
def test_company_changes_are_shown_with_labels(stored: str, shown: str) -> None:
    assert audit_wording.detail("changed company", stored) == shown
    assert audit_wording.detail("user changed", stored) == stored


def test_every_company_setting_has_a_label() -> None:
    assert {"company", *audit_wording.COMPANY_SETTINGS} == set(CompanyRow._fields)


def test_every_hold_cause_except_an_error_has_display_text() -> None:
    assert set(wording.HOLD_CAUSES) == set(HoldCause) - {HoldCause.ERROR}


@pytest.mark.parametrize(
    ("topic", "codes"),
    [
        (Topic.STATUS, Status),
        (Topic.REASON, Reason),
        (Topic.EXCEPTION, FindingReason),
        (Topic.BALANCING, ReconcilingItem),
    ],
)
def test_every_code_is_explained(topic: Topic, codes: type[StrEnum]) -> None:
    texts = help_texts(topic)

    assert set(codes) <= set(texts)
    assert all(text.term and text.sentence and text.meaning.endswith(".") for text in texts.values())


def test_reasons_have_distinct_sentences() -> None:
    assert all(text[0].isupper() and text.endswith(".") for text in wording.REASONS.values())
    assert len(set(wording.REASONS.values())) == len(Reason)


@pytest.mark.parametrize("text", ["DataError: what the database said", "Imported", "Rule 9: of another time"])
def test_unknown_code_is_shown_unchanged(text: str) -> None:
    shown = {wording.detail(text), wording.history(text), wording.allocation_rule(text), wording.finding_note(text)}

    assert shown == {text}


def test_stored_sentence_of_old_history_is_shown_unchanged() -> None:
    assert wording.history_detail("Failed", None, "Stays pending") == "Stays pending"


HISTORY_DETAILS = [
    (HistoryCode.FAILED, None, "Will be tried again"),
    (HistoryCode.RECEIVED, {"cause": "same_event", "version": 2, "current": 2}, "Duplicate event ignored"),
    (
        HistoryCode.RECEIVED,
        {"cause": "stale_version", "version": 1, "current": 2},
        "Version 1 ignored; Billing has version 2",
    ),
    (
        HistoryCode.IMPORTED,
        {"postings": [["25.00", "Cash", "Copay", "2026-06-05"]], "posted": "25.00"},
        "25.00 Cash Copay, deposit date 2026-06-05. Total in Billing: 25.00",
    ),
    (
        HistoryCode.HELD,
        {"detail": "patient_not_found", "next_try": "2026-06-10T15:00:10+00:00"},
        (
            "The patient is not known to Billing. Save the patient in the EMR; the payment is then sent automatically. "
            "next attempt 2026-06-10 15:00:10 UTC"
        ),
    ),
    (HistoryCode.NOT_SENT, {"detail": "internal_payment"}, "An Internal Payment stays in the EMR"),
    (HistoryCode.SUCCESSFUL, None, ""),
    (
        HistoryCode.EXCEPTION_OPENED,
        {"reason": "closed_month", "case": "edited", "before": "25.00", "now": "35.00", "note": "late_arrival:2026-05"},
        (
            "Payment added/edited/deleted when month is closed (edited). Billing: 25.00, EMR: 35.00. "
            "Late arrival: saved before 2026-05 was closed"
        ),
    ),
    (HistoryCode.EXCEPTION_CLOSED, {"reason": "zero_due"}, "Amount Due is 0.00"),
    (
        HistoryCode.EXCEPTION_ACCEPTED,
        {"postings": [["10.00", "Cash", "Copay", "2026-06-05"]]},
        "10.00 Cash, deposit date 2026-06-05",
    ),
    (HistoryCode.EXCEPTION_ACCEPTED, {"postings": []}, "Nothing to post"),
]


@pytest.mark.parametrize(("code", "params", "detail"), HISTORY_DETAILS)
def test_history_detail_is_rendered_from_its_parameters(
    code: HistoryCode, params: dict[str, Any] | None, detail: str
) -> None:
    assert wording.history_detail(code, params, "") == detail


def test_rules_and_queries_contain_no_display_sentences() -> None:
    sentences = {text for _, words in WORDS_BY_CODES for text in words.values() if " " in text}
    sentences -= set(Status)  # the values of statuses are the given terms
    found = []
    for folder in ("payments/core", "payments/journeys", "payments/store/feed", "payments/store/reports"):
        for file in (ROOT / folder).rglob("*.py"):
            texts = (node.value for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Constant))
            found += [(file.name, text) for text in texts if isinstance(text, str) and text in sentences]

    assert found == []


def test_balancing_note_shows_both_values_of_a_field() -> None:
    notes = [
        BalancingNote(BalancingNoteCode.DIFFERENT, "day", date(2026, 9, 1), date(2026, 9, 2)),
        BalancingNote(BalancingNoteCode.DIFFERENT, "charge_type", "Copay", "Other"),
        BalancingNote(BalancingNoteCode.DIFFERENT, "internal_payment", in_emr=True, in_billing=False),
    ]

    assert balancing_wording.balancing_notes(notes) == (
        "Transaction date: EMR 2026-09-01, Billing 2026-09-02; Charge type: EMR Copay, Billing Other; "
        "Internal Payment: EMR yes, Billing no"
    )
