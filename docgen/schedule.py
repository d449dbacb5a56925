"""The reference page of the tasks that Celery beat sends, from `config.schedule`."""

from config.schedule import RECURRING
from docgen.durations import format_duration
from docgen.markdown import code, heading, table

_INTRODUCTION = """
Celery beat (`workers.scheduler`) sends these tasks: all of them when it starts, and each at its interval. A task is not
sent while its last message waits, so messages do not pile up while no worker runs. They do not expire, so the clocks of
the machines may differ. What is due is decided from PostgreSQL: a restart of the scheduler neither skips nor repeats
nightly work, and several schedulers do no harm. `payments health` and `payments_recurring_task_seconds` say which task
has not succeeded lately.

The names are wire names. They are fixed, because old and new workers share the queues during an upgrade. Some therefore
differ from the function that runs: `payments.give_up` stores dead letters, `billing.apply_at_once` applies payments
immediately, and `billing.make_room` creates partitions.

"""


def render_page() -> str:
    """Return the page of the scheduled tasks."""
    rows = [(code(each.task), format_duration(each.every), each.purpose) for each in RECURRING]
    return heading("Schedule", "config/schedule.py") + _INTRODUCTION + table(("Task", "Every", "Purpose"), rows)
