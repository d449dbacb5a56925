"""Run the measurements and print them."""

import sys

from rich.console import Console
from rich.table import Table

from bench import distribution


def main() -> int:
    """Print a table of each measurement; exit with 1 where an aim is missed."""
    found = distribution.measure()
    table = Table(title="Nightly distribution: 10 payments and 3 charges an account", title_justify="left")
    for heading in ("Payments", "Movements", "Seconds", "Microseconds a payment"):
        table.add_column(heading, justify="right")
    for each in found:
        table.add_row(
            f"{each.payments:,}", f"{each.movements:,}", f"{each.seconds:.1f}", f"{each.microseconds_each:.1f}"
        )
    Console().print(table)
    ratio = found[-1].microseconds_each / found[0].microseconds_each
    Console().print(
        f"A payment takes {ratio:.2f} times as long at the larger size (aim: at most {distribution.LIMIT})."
    )
    return int(ratio > distribution.LIMIT)


if __name__ == "__main__":
    sys.exit(main())
