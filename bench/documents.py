"""Write measured results into the tables of docs/explanation/performance.md."""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

PERFORMANCE = Path(__file__).resolve().parents[1] / "docs" / "explanation" / "performance.md"


def write_table(heading: str, rows: Iterable[Sequence[str]], document: Path = PERFORMANCE) -> None:
    """Replace the rows of the first table below a heading. The heading and the alignment of the columns do not change.

    Raises ValueError if there is no such heading, or no table below it.
    """
    text = document.read_text()
    table = re.compile(rf"(^#+ {re.escape(heading)}\n(?:(?!#|\|).*\n)*\|.*\n\|[-:| ]+\n)(?:\|.*\n)*", re.MULTILINE)
    lines = "".join(f"| {' | '.join(row)} |\n" for row in rows)
    changed, count = table.subn(lambda found: found[1] + lines, text, count=1)
    if not count:
        raise ValueError(f"{document} has no table below the heading {heading}")
    document.write_text(changed)
