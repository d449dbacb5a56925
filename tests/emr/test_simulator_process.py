"""The simulator generates the same events in another process."""

import hashlib
import os
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

from emr.client import body_of
from emr.simulator import simulate

CHECKOUT = Path(__file__).parents[2]


@pytest.mark.acceptance
def test_simulation_is_identical_in_another_process() -> None:
    script = """if True:
        import hashlib, datetime, emr.client, emr.simulator
        arrivals = emr.simulator.simulate(5, 14, 7, datetime.date(2026, 9, 1))
        print(hashlib.sha256(b"".join(emr.client.body_of(arrival.event) for arrival in arrivals)).hexdigest())
    """
    environment = os.environ | {"PYTHONHASHSEED": str(hash("another seed than here") % 2**32)}

    printed = subprocess.check_output([sys.executable, "-c", script], cwd=CHECKOUT, env=environment, text=True)

    bodies = [body_of(arrival.event) for arrival in simulate(5, 14, 7, date(2026, 9, 1))]
    assert printed.strip() == hashlib.sha256(b"".join(bodies)).hexdigest()
