"""A failed task reports only the class of the error that its body raised."""

import pytest
import structlog
from celery import Celery
from celery.exceptions import Ignore, Reject, Retry, SoftTimeLimitExceeded

from config.celery import HARD_LIMIT_SECONDS, SOFT_LIMIT_SECONDS, celery_settings
from tasks.app import TASK_MODULES, GuardedTask, app
from tasks.resources import NotConfiguredError, get_resources

PATIENT_NAME = "Ada Abbott"
ERRORS = [
    *(ValueError(PATIENT_NAME), SystemExit(1), MemoryError(), SoftTimeLimitExceeded(60), RecursionError()),
    *(Retry(PATIENT_NAME), Reject(PATIENT_NAME), Ignore(PATIENT_NAME)),
]


@pytest.fixture
def guarded_app():
    """A Celery application whose tasks are guarded."""
    guarded_app = Celery("office", task_cls=GuardedTask, set_as_current=False)
    yield guarded_app
    guarded_app.close()


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_error_in_the_body_fails_the_task_with_its_class_alone(guarded_app, error):
    @guarded_app.task(name="office.fail", shared=False)
    def raise_the_error(**_future):
        raise error

    ended = raise_the_error.apply()

    assert (ended.state, repr(ended.result)) == ("FAILURE", f"TaskFailedError('{type(error).__name__}')")
    assert PATIENT_NAME not in ended.traceback


def test_log_context_of_one_task_does_not_reach_the_next(guarded_app):
    @guarded_app.task(name="office.look", shared=False)
    def return_log_context(**_future):
        context = structlog.contextvars.get_contextvars()
        structlog.contextvars.bind_contextvars(left_over=1)
        return dict(context)

    first, second = return_log_context.apply(), return_log_context.apply()

    assert first.result == {"task": "office.look", "task_id": first.id}
    assert second.result == {"task": "office.look", "task_id": second.id}
    assert structlog.contextvars.get_contextvars() == {}


def test_unknown_argument_of_a_later_publisher_is_ignored(guarded_app):
    @guarded_app.task(name="office.listen", shared=False)
    def return_entry_ids(*, entry_ids, **_future):
        return entry_ids

    assert return_entry_ids.apply(kwargs={"entry_ids": ["1-0"], "of_a_later_version": 1}).result == ["1-0"]


@pytest.fixture
def product_tasks():
    for module in TASK_MODULES:
        __import__(module)
    tasks = [task for name, task in app.tasks.items() if not name.startswith("celery.")]
    assert len(tasks) >= 4
    return tasks


def test_every_task_is_guarded(product_tasks):
    assert all(isinstance(task, GuardedTask) for task in product_tasks)


def test_every_task_has_the_common_time_limits(product_tasks, engines):
    common = celery_settings(engines)
    soft, hard = common["task_soft_time_limit"], common["task_time_limit"]

    # A task without limits of its own has the common ones, or none yet if its application was not configured before.
    assert {(task.soft_time_limit or soft, task.time_limit or hard) for task in product_tasks} == {
        (SOFT_LIMIT_SECONDS, HARD_LIMIT_SECONDS)
    }


def test_resources_of_an_unconfigured_process_raise_an_error():
    with pytest.raises(NotConfiguredError):
        get_resources()
