"""Find the stream entries that fail. If a chunk fails, try each half of it, down to single entries."""

from collections.abc import Callable, Sequence

from payments.contract.stream_entry import StreamEntry
from payments.core.import_stats import ImportStats
from tasks.feed.attempt_errors import outage_of


def run_or_bisect(
    entries: Sequence[StreamEntry],
    work: Callable[[Sequence[StreamEntry]], ImportStats],
    handle_failure: Callable[[StreamEntry, Exception], ImportStats],
) -> ImportStats:
    """Run `work` on entries, in one transaction per call. Return the sum of the statistics.

    After an error that is not an outage, `work` runs on each half of the entries. If a single entry fails,
    `handle_failure` is called with the entry and the error. Raises errors that are outages.
    """
    try:
        return work(entries)
    except Exception as error:
        if outage_of(error):
            raise
        if len(entries) == 1:
            return handle_failure(entries[0], error)
    half = len(entries) // 2
    halves = (entries[:half], entries[half:])
    return sum((run_or_bisect(each, work, handle_failure) for each in halves), ImportStats())
