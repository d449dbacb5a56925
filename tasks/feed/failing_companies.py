"""Remember the companies whose payments mostly failed during the last seconds in this worker process.

The payments of these companies are imported after those of the others. If the payments fail again, only the retrier
tries them. So a fault of one company costs the other companies only one failed transaction per chunk.
"""

from collections import Counter
from collections.abc import Iterable

from tasks.feed.clocks import monotonic_ms

REMEMBERED_MS = 5_000


class FailingCompanies:
    """The companies whose payments fail at present. None stands for all entries whose company is unreadable."""

    def __init__(self) -> None:
        self._until: dict[str | None, int] = {}

    def __contains__(self, company_id: str | None) -> bool:
        """Return whether most of the company's payments failed within the last REMEMBERED_MS."""
        return self._until.get(company_id, 0) > monotonic_ms()

    def __bool__(self) -> bool:
        """Return whether there was any failing company at the last `update`."""
        return bool(self._until)

    def update(self, imported: Iterable[str | None], failed: Iterable[str | None]) -> None:
        """Record the result of a chunk. `imported` and `failed` are company ids, one per entry."""
        now, good, bad = monotonic_ms(), Counter(imported), Counter(failed)
        self._until = {company_id: until for company_id, until in self._until.items() if until > now}
        for company_id in good | bad:
            if bad[company_id] > good[company_id]:
                self._until[company_id] = now + REMEMBERED_MS
            elif good[company_id]:
                self._until.pop(company_id, None)
