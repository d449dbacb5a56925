"""Flower lists the tasks of the stack's workers with their results."""

import json
import time
import urllib.request

from tests.acceptance.events import patient, payment
from tests.acceptance.stack import JsonRow, Stack

IMPORT_SUMMARY = "imported 1, updated 0, held 0, not sent 1"


def test_flower_lists_tasks_with_their_results(stack: Stack) -> None:
    clinic = "watched"
    stack.set_clinic(clinic, "Copay")
    stack.publish(patient(f"{clinic}-ada"), payment(clinic, "seen"), payment(clinic, "out", charge_type="Other"))
    stack.wait_until_idle()

    # Flower receives the result after the commit, so it may be missing for a moment.
    deadline = time.monotonic() + 5
    while IMPORT_SUMMARY not in json.dumps([task["result"] for task in _import_tasks(stack)]):
        assert time.monotonic() < deadline, f"Flower shows no import with its summary, only {_import_tasks(stack)}"
        time.sleep(0.1)
    assert {task["routing_key"] for task in _import_tasks(stack)} == {"imports"}
    named = {"payments.import_events", "payments.retry_due", "payments.give_up", "canary.sing"}
    assert {task["name"] for task in _tasks(stack)} & named >= {"payments.import_events", "canary.sing"}
    # Messages contain entry ids and no patient data.
    assert "Abbott" not in json.dumps(_tasks(stack))


def _import_tasks(stack: Stack) -> list[JsonRow]:
    return [task for task in _tasks(stack) if task["name"] == "payments.import_events"]


def _tasks(stack: Stack) -> list[JsonRow]:
    with urllib.request.urlopen(f"http://127.0.0.1:{stack.flower_port}/api/tasks") as answer:
        return list(json.load(answer).values())
