"""How a job that does nothing shows that it ran: a line of fixed length at the end of a file, about a microsecond."""

import os

LINE_BYTES = 9
_opened: dict[int, int] = {}


def mark(number: int) -> None:
    """Write the number of a job down, in whichever process it runs."""
    pid = os.getpid()
    if pid not in _opened:
        _opened[pid] = os.open(os.environ["BENCH_DONE"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(_opened[pid], b"%08d\n" % number)
