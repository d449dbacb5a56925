"""Run a service with an adjustable clock: `python -m tests.faults.skewed_clock FILE workers.importer`.

The file contains the clock's offset in seconds, which may change at any time. Monotonic clocks are unaffected, as when
a real clock is set.
"""

import datetime as real
import importlib
import os
import runpy
import sys
import time
from collections.abc import Callable
from types import ModuleType

# Modules to import before their clocks are replaced. Modules imported later have the real time; no test needs them.
CELERY_MODULES = ("celery.app.base", "celery.beat", "celery.schedules", "celery.worker.request", "celery.utils.time")
TASK_MODULES = ("importing", "detecting", "adjusting", "closing", "distributing", "balancing", "resources")


def replace_clocks(offset: Callable[[], float]) -> None:
    """Add the seconds that `offset` returns to `time.time`, and to `datetime` in CELERY_MODULES and TASK_MODULES."""
    right = time.time
    time.time = lambda: right() + offset()

    class AnyDatetime(type):
        def __instancecheck__(cls, instance: object) -> bool:
            return isinstance(instance, real.datetime)

    class Datetime(real.datetime, metaclass=AnyDatetime):
        @classmethod
        def now(cls, tz: real.tzinfo | None = None) -> real.datetime:
            return real.datetime.now(tz) + real.timedelta(seconds=offset())

        @classmethod
        def utcnow(cls) -> real.datetime:
            return cls.now(real.UTC).replace(tzinfo=None)

    for module in _modules():
        if vars(module).get("datetime") is real.datetime:
            module.datetime = Datetime  # type: ignore[attr-defined]


def _modules() -> list[ModuleType]:
    return [importlib.import_module(name) for name in (*CELERY_MODULES, *(f"tasks.{name}" for name in TASK_MODULES))]


def _offset_reader(path: str) -> Callable[[], float]:
    file = os.open(path, os.O_RDONLY)
    return lambda: float(os.pread(file, 32, 0) or b"0")


if __name__ == "__main__":
    _, path, service = sys.argv
    replace_clocks(_offset_reader(path))
    sys.argv = [service]
    runpy.run_module(service, run_name="__main__", alter_sys=True)
