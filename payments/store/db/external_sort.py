"""Sort rows in constant memory. Above a limit, sorted runs of rows are written to a temporary file."""

import heapq
import pickle
import tempfile
import weakref
from collections.abc import Callable, Iterator
from typing import Any, Generic, TypeVar

RUN_ROWS = 20_000
_Row = TypeVar("_Row")


class SortedRows(Generic[_Row]):
    """A collection of rows that is filled first, and then yields the rows sorted by a key.

    At most `run_rows` rows are in memory. The temporary file is deleted together with the collection.
    """

    def __init__(self, key: Callable[[_Row], Any], run_rows: int = RUN_ROWS) -> None:
        self._key, self._run_rows = key, run_rows
        self._rows: list[_Row] = []
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 (it is closed with this object)
        weakref.finalize(self, self._file.close)
        self._runs: list[int] = []
        self._count = 0

    def append(self, row: _Row) -> None:
        """Add a row."""
        self._rows.append(row)
        self._count += 1
        if len(self._rows) == self._run_rows:
            self._write_run()

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[_Row]:
        """Yield the rows in the order of their keys. Rows with the same key keep the order in which they were added."""
        runs = [self._read_run(start) for start in self._runs]
        return heapq.merge(*runs, sorted(self._rows, key=self._key), key=self._key)

    def _write_run(self) -> None:
        self._runs.append(self._file.seek(0, 2))
        for row in sorted(self._rows, key=self._key):
            pickle.dump(row, self._file, pickle.HIGHEST_PROTOCOL)
        self._rows.clear()

    def _read_run(self, start: int) -> Iterator[_Row]:
        position = start
        for _ in range(self._run_rows):
            self._file.seek(position)
            row: _Row = pickle.load(self._file)  # noqa: S301 (this process has written it)
            position = self._file.tell()
            yield row
