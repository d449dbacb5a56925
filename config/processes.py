"""Processes of this machine, by their pid."""

import os


def is_running(pid: int) -> bool:
    """Return whether a process with this pid exists, of whichever user."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
