"""Reference page of the tasks that Celery beat sends, from `config.schedule`."""

from config.schedule import RECURRING
from docgen.durations import written
from docgen.markdown import code, heading, table

_INTRODUCTION = """
Celery beat (`workers.scheduler`) sends these tasks. A message expires after its own interval, so messages do not pile
up while no worker runs.

The names are wire names. They are fixed, because old and new workers share the queues during an upgrade. Some therefore
differ from the function that runs: `payments.give_up` stores dead letters, `billing.apply_at_once` applies payments
immediately, and `billing.make_room` creates partitions.

"""


def page() -> str:
    """Return the page."""
    rows = [(code(each.task), written(each.every), each.purpose) for each in RECURRING]
    return heading("Schedule", "config/schedule.py") + _INTRODUCTION + table(("Task", "Every", "Purpose"), rows)
