"""Find the stream entries that fail: what fails for a chunk is tried for each half of it, down to single entries."""

from collections.abc import Callable, Sequence

from payments.contract.stream_entry import StreamEntry
from payments.core.import_stats import ImportStats
from tasks.feed.attempt_errors import outage_of


def run_or_bisect(
    entries: Sequence[StreamEntry],
    work: Callable[[Sequence[StreamEntry]], ImportStats],
    handle_failure: Callable[[StreamEntry, Exception], ImportStats],
) -> ImportStats:
    """Run `work` on entries, each time in a separate transaction, and return the statistics of all of them.

    After an error that is no outage, `work` runs on each half. An entry that fails alone goes to `handle_failure`,
    which is called while the error is handled. Raises the error of an outage.
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
