"""A task of ours always ends normally, whatever its body raises."""

import pytest
import structlog
from celery import Celery
from celery.exceptions import SoftTimeLimitExceeded

from tasks.app import TASK_MODULES, GuardedTask, app
from tasks.resources import NotPreparedError, resources

RAISED = [ValueError("x"), RuntimeError("x"), SystemExit(1), MemoryError(), SoftTimeLimitExceeded(60), RecursionError()]


@pytest.fixture
def office():
    """An application of its own, with tasks of our kind."""
    office = Celery("office", task_cls=GuardedTask, set_as_current=False)
    yield office
    office.close()


@pytest.mark.parametrize("error", RAISED, ids=lambda error: type(error).__name__)
def test_whatever_the_body_raises_is_its_result(office, error):
    @office.task(name="office.fail", shared=False)
    def fail(**_future):
        raise error

    ended = fail.apply()

    assert (ended.state, ended.result) == ("SUCCESS", f"failed: {type(error).__name__}")


def test_a_log_of_one_task_knows_nothing_of_the_one_before(office):
    @office.task(name="office.look", shared=False)
    def look(**_future):
        known = structlog.contextvars.get_contextvars()
        structlog.contextvars.bind_contextvars(left_over=1)
        return dict(known)

    first, second = look.apply(), look.apply()

    assert first.result == {"task": "office.look", "task_id": first.id}
    assert second.result == {"task": "office.look", "task_id": second.id}
    assert structlog.contextvars.get_contextvars() == {}


def test_a_later_publisher_may_send_more_than_this_worker_knows(office):
    @office.task(name="office.listen", shared=False)
    def listen(*, entry_ids, **_future):
        return entry_ids

    assert listen.apply(kwargs={"entry_ids": ["1-0"], "of_a_later_version": 1}).result == ["1-0"]


def test_every_message_of_ours_is_guarded():
    for module in TASK_MODULES:
        __import__(module)
    ours = [task for name, task in app.tasks.items() if not name.startswith("celery.")]

    assert len(ours) >= 4
    assert all(isinstance(task, GuardedTask) for task in ours)


def test_a_process_whose_entry_did_not_prepare_says_so():
    with pytest.raises(NotPreparedError):
        resources()
