"""Print a report in the requested output format."""

import sys
from collections.abc import Callable, Iterable
from itertools import islice
from typing import NamedTuple

from console.cli.tables import Totals, print_table
from console.errors import CommandError
from console.reports.definition import Report
from console.reports.output import OutputFormat, Record, csv_pieces, json_pieces

TABLE_ROWS = 200
"""The number of rows in a table without --limit."""


class Output(NamedTuple):
    """The output options of a report.

    `limit` is the maximum number of rows. 0 means all rows, and None means the default of the format. Unless `is_raw`,
    text in CSV is escaped, so that spreadsheets do not run it as a formula.
    """

    output_format: OutputFormat = OutputFormat.TABLE
    limit: int | None = None
    is_raw: bool = False

    def check(self) -> None:
        """Check that --raw is given only with the format CSV. Otherwise raises CommandError."""
        if self.is_raw and self.output_format is not OutputFormat.CSV:
            raise CommandError("--raw requires --format csv", exit_status=2)

    def limit_records(self, records: Iterable[Record]) -> Iterable[Record]:
        """Return at most `limit` records, for JSON or CSV."""
        return islice(records, self.limit) if self.limit else records


def show(records: Iterable[Record], report: Report, output: Output, totals: Callable[[], Totals] | None = None) -> None:
    """Print the records of a report while they are being read.

    `totals` returns the number and the sum of all rows. It is called only for a table that does not show all rows.
    """
    match output.output_format:
        case OutputFormat.TABLE:
            print_table(records, report, TABLE_ROWS if output.limit is None else output.limit, totals)
        case OutputFormat.JSON:
            print_pieces(json_pieces(output.limit_records(records), report.keys))
        case OutputFormat.CSV:
            print_pieces(csv_pieces(output.limit_records(records), report.keys, is_raw=output.is_raw))


def print_pieces(pieces: Iterable[str]) -> None:
    """Print the pieces of a report. Each piece is printed as soon as the iterator yields it."""
    for piece in pieces:
        sys.stdout.write(piece)
        sys.stdout.flush()
