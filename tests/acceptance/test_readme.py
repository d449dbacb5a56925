"""The commands of the README tour succeed as the README states them."""

import json
import re
import subprocess
from pathlib import Path

from tests.acceptance.stack import Stack

ROOT = Path(__file__).resolve().parents[2]


def test_readme_tour_commands_succeed_as_written(stack: Stack) -> None:
    blocks = re.findall(r"^```bash\n(.*?)^```", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    script = "\n".join(["set -euo pipefail", *blocks])

    done = subprocess.run(
        ["bash", "-c", script], check=False, cwd=ROOT, env=stack.environment, capture_output=True, text=True
    )

    assert done.returncode == 0, done.stdout + done.stderr
    feed = {row["payment"]: (row["status"], row["reason"]) for row in stack.claims_feed("north").values()}
    assert feed == {
        "north/p-1001/1": ("Transmission Successful", None),
        "north/p-1002/1": ("Transmission Successful", None),
        "north/p-1003/1": ("Validation Failed", "invalid_event"),
    }
    timeline = json.loads(stack.run_successfully("timeline", "north/p-1002/1", "--format", "json"))
    assert [each["what"] for each in timeline] == ["Not Sent", "Requeued", "Imported"]
