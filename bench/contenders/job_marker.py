"""Mark a finished job: append a line of fixed length to a file, which takes about a microsecond."""

import os

LINE_BYTES = 9
_opened: dict[int, int] = {}


def mark(number: int) -> None:
    """Append the number of a finished job."""
    pid = os.getpid()
    if pid not in _opened:
        _opened[pid] = os.open(os.environ["BENCH_DONE"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(_opened[pid], b"%08d\n" % number)
