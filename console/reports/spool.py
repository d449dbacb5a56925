"""A temporary file that one thread writes while another thread reads it.

The reader of a report may be slow or pause. With a spool, the transaction nevertheless ends after the last row was
queried: it does not wait until the report has been printed or downloaded.
"""

import os
import tempfile
import threading
import weakref
from collections.abc import Generator, Iterator
from contextlib import closing

_CHUNK_BYTES = 1 << 16


class Spool:
    """A temporary file with one writer and one reader. The file is deleted together with this object."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 (it is closed with this object)
        weakref.finalize(self, self._file.close)
        self._changed = threading.Condition()
        self._size = 0
        self._is_complete = self._is_abandoned = False
        self._error: BaseException | None = None

    def write(self, data: bytes) -> None:
        """Append bytes. Raises BrokenPipeError if the reader has called `abandon`."""
        if self._is_abandoned:
            raise BrokenPipeError
        rest = memoryview(data)
        while rest:
            rest = rest[self._file.write(rest) :]
        with self._changed:
            self._size += len(data)
            self._changed.notify()

    def complete(self, error: BaseException | None = None) -> None:
        """Mark the file as complete. If `error` is given, `chunks` raises it after the last byte."""
        with self._changed:
            self._is_complete, self._error = True, error
            self._changed.notify()

    def abandon(self) -> None:
        """Stop reading. From now on, `write` raises BrokenPipeError."""
        self._is_abandoned = True

    def chunks(self) -> Iterator[bytes]:
        """Yield the bytes in order. Wait for more bytes until the file is complete.

        After the last byte, raises the error that was passed to `complete`, if there is one.
        """
        position = 0
        while self._wait_for_more(position):
            chunk = os.pread(self._file.fileno(), _CHUNK_BYTES, position)
            position += len(chunk)
            yield chunk
        if self._error is not None:
            raise self._error

    def _wait_for_more(self, position: int) -> bool:
        with self._changed:
            self._changed.wait_for(lambda: self._size > position or self._is_complete)
            return self._size > position


def in_background(pieces: Generator[bytes, None, None]) -> Generator[bytes, None, None]:
    """Write pieces to a spool in a thread, as fast as the generator yields them. Yield their bytes.

    If the caller closes the returned iterator, the thread closes the generator `pieces`.
    """
    spool = Spool()
    threading.Thread(target=_fill, args=(spool, pieces), daemon=True, name="report").start()
    try:
        yield from spool.chunks()
    finally:
        spool.abandon()


def _fill(spool: Spool, pieces: Generator[bytes, None, None]) -> None:
    try:
        with closing(pieces):
            for piece in pieces:
                spool.write(piece)
    except BaseException as error:  # noqa: BLE001 (the reader raises it)
        spool.complete(error)
    else:
        spool.complete()
