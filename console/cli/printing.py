"""Prints a report in the format that the command line asks for."""

import sys
from collections.abc import Sequence

from console.cli.tables import print_table
from console.reports.layout import Layout
from console.reports.output import OutputFormat, Record, as_json, write_csv


def show(records: Sequence[Record], layout: Layout, form: OutputFormat, limit: int = 0) -> None:
    """Print the records; `limit` holds for a table only, and 0 is no limit."""
    match form:
        case OutputFormat.TABLE:
            print_table(records, layout, limit)
        case OutputFormat.JSON:
            sys.stdout.write(as_json(records, layout.keys))
        case OutputFormat.CSV:
            write_csv(records, layout.keys)
