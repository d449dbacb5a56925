"""The benchmarks run with the current code: `bench.steps` profiles the import, and `bench.moving` moves a company."""

import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]


@pytest.mark.acceptance
def test_import_steps_are_timed():
    asked = [sys.executable, "-m", "bench.steps", "20", "10"]

    done = subprocess.run(asked, cwd=CHECKOUT, capture_output=True, text=True, timeout=120, check=False)

    assert done.returncode == 0, done.stderr[-2000:]
    timed = [line.partition(" CPU ")[0].strip() for line in done.stdout.splitlines() if "microseconds an event" in line]
    assert {"read", "read, check and hash", "import rule", "write", "acknowledge", "all"} <= set(timed)


@pytest.mark.acceptance
@pytest.mark.long
def test_company_moves_between_two_stacks_while_both_import():
    asked = [sys.executable, "-m", "bench.moving", "2000"]

    done = subprocess.run(asked, cwd=CHECKOUT, capture_output=True, text=True, timeout=600, check=False)

    assert done.returncode == 0, done.stderr[-2000:]
    assert "lost 0, doubled 0, unexplained 0.00, late events 0\n" in done.stdout
    assert "publishing was paused for " in done.stdout
