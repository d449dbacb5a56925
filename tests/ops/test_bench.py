"""`bench.steps`, which profiles the import, runs with the current code."""

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
