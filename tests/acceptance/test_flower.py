"""What people see of the tasks in Flower."""

import json
import time
import urllib.request

from tests.acceptance.events import patient, payment
from tests.acceptance.stack import Row, Stack


def test_flower_lists_the_tasks_by_name_with_a_summary_of_what_came_of_them(stack: Stack) -> None:
    clinic = "watched"
    stack.set_clinic(clinic, "Copay")
    stack.publish(patient(f"{clinic}-ada"), payment(clinic, "seen"), payment(clinic, "out", charge_type="Other"))
    stack.settle()

    deadline = time.monotonic() + 5
    while not (imports := [task for task in _tasks(stack) if task["name"] == "payments.import_events"]):
        assert time.monotonic() < deadline, "Flower shows no import"
        time.sleep(0.1)
    finished = [task for task in imports if task["state"] == "SUCCESS"]
    assert any("imported 1, updated 0, held 0, not sent 1" in task["result"] for task in finished)
    assert {task["routing_key"] for task in imports} == {"imports"}
    named = {"payments.import_events", "payments.retry_due", "payments.give_up", "canary.sing"}
    assert {task["name"] for task in _tasks(stack)} & named >= {"payments.import_events", "canary.sing"}
    # Nothing of a patient but ids of entries goes through the queue.
    assert "Abbott" not in json.dumps(_tasks(stack))


def _tasks(stack: Stack) -> list[Row]:
    with urllib.request.urlopen(f"http://127.0.0.1:{stack.flower_port}/api/tasks") as answer:
        return list(json.load(answer).values())
