"""Killed processes lose no payment; a stopped stack leaves no process behind; a home runs only one stack."""

import json
import os
import signal
import subprocess
import time

from tests.acceptance.events import ALL_TYPES, patient, payment, total_amount
from tests.acceptance.stack import PAYMENTS_PROGRAM, Stack

EVENTS_PER_KILL = 1_000


def test_payments_arrive_once_when_importer_and_intake_are_killed(stack: Stack) -> None:
    clinic, killed = "killed", []
    stack.set_clinic(clinic, ALL_TYPES)
    stack.publish(patient(f"{clinic}-ada"))
    with subprocess.Popen(
        [PAYMENTS_PROGRAM, "emr", "publish", "-"],
        env=stack.environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
    ) as publisher:
        assert publisher.stdin
        for number, module in enumerate(("workers.importer", "workers.intake", "workers.importer")):
            for each in range(EVENTS_PER_KILL):
                event = payment(clinic, f"{number}-{each}", "1.00")
                publisher.stdin.write(json.dumps(event).encode() + b"\n")
            publisher.stdin.flush()
            killed.append(_kill(stack, module))
    assert publisher.returncode == 0
    stack.wait_until_idle()

    rows = stack.payment_log(clinic)
    assert len(rows) == len({row["payment"] for row in rows}) == 3 * EVENTS_PER_KILL
    assert total_amount(rows) == 3 * EVENTS_PER_KILL
    assert {row["status"] for row in stack.claims_feed(clinic).values()} == {"Transmission Successful"}
    stack.wait_until_healthy()
    assert not {stack.group_leader_pid("workers.importer"), stack.group_leader_pid("workers.intake")} & set(killed)


def test_stack_locks_its_home_and_keeps_its_data(stack: Stack) -> None:
    clinic = "stopped"
    stack.set_clinic(clinic, ALL_TYPES)
    stack.publish(patient(f"{clinic}-ada"), payment(clinic, "before"))
    stack.wait_until_idle()

    second = subprocess.run(
        [PAYMENTS_PROGRAM, "up"], check=False, env=stack.environment, capture_output=True, text=True
    )
    assert second.returncode == 1
    assert len(second.stderr.strip().splitlines()) == 1
    assert "another `payments up` runs" in second.stderr

    assert stack.stop() == 0
    assert stack.processes() == []
    assert not (stack.home / "run" / "stack.json").exists()

    stack.start()
    assert [row["amount"] for row in stack.payment_log(clinic)] == ["25.00"]


def _kill(stack: Stack, module: str) -> int:
    """Wait until a worker runs. Kill the worker and its children with SIGKILL, and return the worker's pid."""
    deadline = time.monotonic() + 20
    while not any(os.getpgid(pid) == pid for pid in stack.processes(module)):
        assert time.monotonic() < deadline, f"{module} was not started again"
        time.sleep(0.05)
    pid = stack.group_leader_pid(module)
    os.killpg(pid, signal.SIGKILL)
    return pid
