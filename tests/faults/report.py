"""Write docs/explanation/reliability.md from the results in build/faults. Every figure on the page comes from a run."""

import json
import sys
from pathlib import Path

from tests.faults.trial import RESULTS_FOLDER

PAGE_FILE = Path(__file__).resolve().parents[2] / "docs" / "explanation" / "reliability.md"
FAILOVER_BEGIN, FAILOVER_END = "<!-- failover -->", "<!-- end of failover -->"
"""The lines that begin and end the section that `tests.failover.report` writes."""
_OPENING_TEXT = """# Reliability

This page reports fault tests on a running system and their effect on payments. `make test-faults` and `make soak` write
its tables (`python -m tests.faults.report`). No figure is typed by hand.

For each row, the test publishes the events of several simulated clinic days (fixed random seed) while the fault
happens: saves, corrections, deletions, refunds, late and duplicate events. The processes, PostgreSQL and Valkey are
real. Two months are closed beforehand. Then the test waits until nothing is left to do and compares everything:

- each published event is accounted for, and each payment has the status that the rules require;
- the ledger equals, to the cent, an independent model of the rules (`tests/faults/oracle.py`);
- no entry is duplicated;
- the closed months still match the totals stored at their close;
- the unexplained amount of balancing is 0.00.

*Times* is how often the fault happened while the events were published. *Lost* and *duplicated* count the payments and
events that this comparison finds missing or duplicated. *Back after* is the longest time from the end of the fault
until the ledger contained an event published after the end; the cell is empty if the test does not measure it. The
machine has {cores} cores, which the tests, the workers and the engines share.

| fault | times | events | lost | duplicated | back after | note |
|---|---:|---:|---:|---:|---:|---|
"""
_FAILOVERS_TEXT = """
## Commits lost in a failover

- **Synchronous standby of PostgreSQL:** nothing is lost (`tests/store/test_failover.py`).
- **Asynchronous standby, `PAYMENTS_KEEP_ENTRIES` set:** the latest commits are lost until `payments replay` restores
  exactly these, also while importers run (`tests/tasks/test_replay.py`). The test copies the database, imports further
  events, replays them on the copy, and compares both. A second replay changes no table ([decision
  0027](../decisions/0027-keep-entries-for-a-replay.md)).
- **Asynchronous standby, `PAYMENTS_KEEP_ENTRIES` at `0`:** the latest commits are lost. The EMR publishes again.
"""
_SOAK_TEXT = """
## Soak

{minutes} minutes at {rate} events a second, with a fault every {every} seconds: {kinds}.

| faults | events | lost | duplicated | longest time until an import | memory of all processes, start and end |
|---:|---:|---:|---:|---:|---|
| {times} | {events:,} | {lost} | {doubled} | {recovery_seconds} s | {memory} |
"""


def page_text(rows: list[dict[str, object]], soak: dict[str, object] | None, before: str = "") -> str:
    """Return the text of the page. `before` is the previous text.

    If `rows` is empty, the table of faults is copied from `before`. If `soak` is None, the section about the soak is
    copied. The section about failovers is always copied.
    """
    measured, begin, failover = before.partition(f"\n{FAILOVER_BEGIN}")
    faults, cut, soaked = measured.partition(_SOAK_TEXT.partition("{")[0])
    text = (_result_table(rows) if rows else faults) + (_SOAK_TEXT.format(**soak) if soak else cut + soaked)
    return text + begin + failover


def _result_table(rows: list[dict[str, object]]) -> str:
    # The product's results first; those of other systems, for comparison, last.
    lines = [_table_row(row) for row in sorted(rows, key=lambda row: (_is_other_system(row), str(row["fault"])))]
    dated = sorted(str(row["at"])[:10] for row in rows)
    return (
        _OPENING_TEXT.format(cores=rows[0]["cores"])
        + "".join(lines)
        + f"\nMeasured {dated[0]} to {dated[-1]}.\n{_FAILOVERS_TEXT}"
    )


def _table_row(row: dict[str, object]) -> str:
    seconds = row["recovery_seconds"]
    back = "" if seconds is None else f"{seconds} s"
    cells = (row["fault"], row["times"], f"{row['events']:,}", row["lost"], row["doubled"], back, row["note"])
    return "| " + " | ".join(str(cell).replace("|", "/") for cell in cells) + " |\n"


def _is_other_system(row: dict[str, object]) -> bool:
    return str(row["fault"]).startswith("For comparison")


def main() -> int:
    """Write the page from the results of the last runs. If there are no results, change nothing."""
    found = {path.stem: json.loads(path.read_text()) for path in sorted(RESULTS_FOLDER.glob("*.json"))}
    if not found:
        sys.stderr.write(f"no results in {RESULTS_FOLDER}: run `make test-faults` or `make soak` first\n")
        return 1
    soak = found.pop("soak", None)
    PAGE_FILE.write_text(page_text(list(found.values()), soak, PAGE_FILE.read_text()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
