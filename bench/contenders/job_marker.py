"""Mark a job as finished: append a line of fixed length to a file. This takes about a microsecond."""

import os

LINE_BYTES = 9
_opened_files: dict[int, int] = {}


def mark(number: int) -> None:
    """Append the number of a finished job to the file."""
    pid = os.getpid()
    if pid not in _opened_files:
        _opened_files[pid] = os.open(os.environ["BENCH_DONE"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(_opened_files[pid], b"%08d\n" % number)
