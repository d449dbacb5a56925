"""Import entries that were read or claimed, in one transaction, and isolate the entries that fail.

If a chunk fails, the entries of each company are imported separately. Parts that fail again are halved, so that an
entry that cannot be processed does not stop the others. After DIVISIONS_MAX divisions, the retrier must import the
remaining entries, so that one company's failing payments do not delay the others. An outage ends the import: the
entries that are not imported stay pending, and no attempt is counted.
"""

import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import structlog

from payments.contract.stream_entry import StreamEntry, named_company
from payments.core.import_stats import ImportStats
from payments.journeys import importing, retrying
from payments.store.db.connection import transaction
from tasks.feed.attempt_errors import outage_of, summary_of
from tasks.feed.failing_companies import FailingCompanies
from tasks.feed.leases import LEASE_MS
from tasks.resources import Resources
from tasks.transactions import run_in_transaction

log = structlog.get_logger()

DIVISIONS_MAX = 20
"""Maximum number of times that an importer divides a chunk. To find one of 500 entries takes nine divisions."""
NOTHING_IMPORTED = ImportStats()
Acknowledge = Callable[[Sequence[str]], None]
"""A function that is called with the ids of committed entries. It acknowledges them immediately or a little later."""


class _Part(NamedTuple):
    """Entries to import together.

    `is_divided` is True for a half of a failed part that had entries of one company only. `is_set_apart` is True for
    the entries of a company that was failing before; this part is not divided.
    """

    entries: Sequence[StreamEntry]
    is_divided: bool = False
    is_set_apart: bool = False

    @property
    def ids(self) -> list[str]:
        return [entry.entry_id for entry in self.entries]


@dataclass
class _Result:
    """Statistics of an import, and the entries that must be retried.

    `acknowledge` is called with the ids of the entries of each commit.

    `failed` are the entries that failed alone. `undecided` are the entries of failing parts that were not divided down
    to single entries.
    """

    acknowledge: Acknowledge
    stats: ImportStats = field(default_factory=ImportStats)
    failed: list[StreamEntry] = field(default_factory=list)
    undecided: list[StreamEntry] = field(default_factory=list)


def import_leased(
    resources: Resources,
    entries: Sequence[StreamEntry],
    failing: FailingCompanies | None = None,
    divisions_max: int = DIVISIONS_MAX,
    acknowledge: Acknowledge | None = None,
) -> ImportStats:
    """Import entries that were just read or claimed. Renew their leases until the import ends.

    `acknowledge` is called with the ids of the entries of each commit. By default, they are acknowledged immediately.

    The entries of a company in `failing` are imported last and are not divided; `failing` is updated afterwards. Other
    entries that fail are divided up to `divisions_max` times. Raises errors that are outages; the entries that are not
    imported by then stay pending.
    """
    result = _Result(acknowledge or resources.streams.acknowledge)
    try:
        with resources.leases.hold(resources.streams, [entry.entry_id for entry in entries]):
            _import_or_divide(resources, _first_parts(entries, failing), result, divisions_max)
    finally:
        # A renewal would take the entries back from the retrier, so this comes after the last one.
        resources.streams.isolate([entry.entry_id for entry in result.failed])
        undecided = [entry.entry_id for entry in result.undecided]
        resources.streams.release_for_retry(undecided, deliveries=1, idle_ms=LEASE_MS)
    if undecided:
        log.warning("entries_left_to_retrier", entries=len(undecided))
    if failing is not None and (failing or result.failed or undecided):
        _update_failing_companies(failing, entries, [*result.failed, *result.undecided])
    return result.stats


def _import_or_divide(resources: Resources, first_parts: Iterable[_Part], result: _Result, divisions_max: int) -> None:
    """Import each part in one transaction. After an error that is not an outage, import smaller parts of it.

    The first division is by company. After that, failed parts are halved, and the first half is divided down to single
    entries before the second half is tried. The statistics, and the entries to retry, are added to `result`.
    """
    undivided, divided, divisions = deque(first_parts), deque[_Part](), 0
    while undivided or divided:
        part = (undivided or divided).popleft()
        if part.is_divided and divisions >= divisions_max:
            result.undecided += part.entries
        elif (stats := _import_part(resources, part, result.acknowledge)) is not None:
            result.stats += stats
        elif len(part.entries) == 1:
            result.failed += part.entries
            result.stats += ImportStats(failed=1)
        elif part.is_set_apart:
            result.undecided += part.entries
        else:
            divisions += 1
            by_company, halves = _divide(part)
            undivided.extend(by_company)
            divided.extendleft(reversed(halves))


def _first_parts(entries: Sequence[StreamEntry], failing: FailingCompanies | None) -> list[_Part]:
    """Return the parts to start with: one of all companies that are not failing, then one of each failing company."""
    if not failing:
        return [_Part(entries)]
    others: list[StreamEntry] = []
    set_apart = []
    for company_id, own in _by_company(entries).items():
        if company_id in failing:
            set_apart.append(_Part(own, is_set_apart=True))
        else:
            others += own
    return [_Part(others), *set_apart] if others else set_apart


def _import_part(resources: Resources, part: _Part, acknowledge: Acknowledge) -> ImportStats | None:
    """Import entries in one transaction, acknowledge them, and return the statistics.

    Returns None after an error that is not an outage. Raises errors that are outages.
    """
    started_ns, entries = time.time_ns(), part.entries
    try:
        stats = run_in_transaction(
            resources.database, lambda tx: importing.import_events(tx, entries, resources.run_context())
        )
    except Exception as error:
        is_alone, is_outage = len(entries) == 1, outage_of(error) is not None
        if is_alone or is_outage:
            _record_failure(resources, entries, error)
            resources.tracing.record_attempt(entries, started_ns, error)
        if is_outage:
            raise
        if is_alone:
            log.exception("entry_failed", entry_id=entries[0].entry_id)
        else:
            log.warning("chunk_split", entries=len(entries), error_class=type(error).__name__)
        return None
    resources.tracing.record_attempt(entries, started_ns, str(stats))
    acknowledge(part.ids)
    return stats


def _divide(part: _Part) -> tuple[list[_Part], list[_Part]]:
    """Return smaller parts of a failed part, in one of two lists. The other list is empty.

    If the entries are of several companies, the first list has one part per company, fewest entries first. If they are
    of one company, the second list has the two halves.
    """
    by_company = _by_company(part.entries)
    if len(by_company) > 1:
        return [_Part(entries) for entries in sorted(by_company.values(), key=len)], []
    half = len(part.entries) // 2
    return [], [_Part(entries, is_divided=True) for entries in (part.entries[:half], part.entries[half:])]


def _by_company(entries: Sequence[StreamEntry]) -> dict[str | None, list[StreamEntry]]:
    by_company: dict[str | None, list[StreamEntry]] = defaultdict(list)
    for entry in entries:
        by_company[named_company(entry.body)].append(entry)
    return by_company


def _update_failing_companies(
    failing: FailingCompanies, entries: Sequence[StreamEntry], not_imported: Sequence[StreamEntry]
) -> None:
    ids = {entry.entry_id for entry in not_imported}
    failing.update(
        imported=(named_company(each.body) for each in entries if each.entry_id not in ids),
        failed=(named_company(each.body) for each in not_imported),
    )


def _record_failure(resources: Resources, entries: Sequence[StreamEntry], error: Exception) -> None:
    """Record the failed attempt in the history. If that fails, log the error and continue."""
    try:
        with transaction(resources.database) as tx:
            retrying.record_failure(tx, entries, summary_of(error), resources.run_context())
    except Exception:
        log.exception("failure_not_recorded", entries=len(entries))
