"""A spool passes bytes on immediately. A slow reader does not delay the writer. Without a reader the writer stops."""

import threading
from collections.abc import Generator

import pytest

from console.reports.spool import Spool, in_background


def test_reader_gets_bytes_before_the_writer_has_ended() -> None:
    may_continue = threading.Event()

    def text_pieces() -> Generator[bytes, None, None]:
        yield b"first"
        assert may_continue.wait(60)
        yield b"second"

    read = in_background(text_pieces())

    assert next(read) == b"first"
    may_continue.set()
    assert b"".join(read) == b"second"


def test_writer_ends_while_the_reader_pauses() -> None:
    has_ended = threading.Event()

    def text_pieces() -> Generator[bytes, None, None]:
        for _ in range(100):
            yield bytes(100_000)
        has_ended.set()

    read = in_background(text_pieces())
    first = next(read)

    assert has_ended.wait(60)
    assert len(first) + sum(map(len, read)) == 10_000_000


def test_reader_raises_the_error_of_the_writer_after_its_bytes() -> None:
    def text_pieces() -> Generator[bytes, None, None]:
        yield b"first"
        raise ValueError("no more")

    read = in_background(text_pieces())

    assert next(read) == b"first"
    with pytest.raises(ValueError, match="no more"):
        next(read)


def test_writer_stops_if_the_reader_is_gone() -> None:
    has_ended = threading.Event()

    def text_pieces() -> Generator[bytes, None, None]:
        try:
            while True:
                yield b"more"
        finally:
            has_ended.set()

    read = in_background(text_pieces())
    next(read)
    read.close()

    assert has_ended.wait(60)


def test_abandoned_spool_accepts_no_more_pieces() -> None:
    spool = Spool()
    spool.abandon()

    with pytest.raises(BrokenPipeError):
        spool.write(b"x")
