"""Processes of this machine, by process id."""

import os


def is_running(pid: int) -> bool:
    """Return whether a process with this id exists, of any user."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
