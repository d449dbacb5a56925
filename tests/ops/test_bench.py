"""The benchmarks run with the current code, and write their figures into the documentation."""

import subprocess
import sys
from pathlib import Path

import pytest

from bench.documents import write_table

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


def test_figures_replace_the_rows_of_their_table(tmp_path):
    document = tmp_path / "page.md"
    text = "# Pages\nText.\n\n| page | ms |\n|---|---:|\n{}\n## Search\n\n| text | ms |\n|---|---:|\n"
    document.write_text(text.format("| old | 1 |\n| older | 2 |\n"))

    write_table("Pages", [("feed", "3"), ("log", "4")], document)
    write_table("Search", [("ada", "5")], document)

    assert document.read_text() == text.format("| feed | 3 |\n| log | 4 |\n") + "| ada | 5 |\n"
    with pytest.raises(ValueError, match="no table below the heading Nothing"):
        write_table("Nothing", [], document)
