"""Prints a report in the requested output format."""

import sys
from collections.abc import Sequence

from console.cli.tables import print_table
from console.reports.definition import Report
from console.reports.output import OutputFormat, Record, as_json, write_csv


def show(records: Sequence[Record], report: Report, output_format: OutputFormat, limit: int = 0) -> None:
    """Print the records of a report. `limit` applies to a table only; 0 is no limit."""
    match output_format:
        case OutputFormat.TABLE:
            print_table(records, report, limit)
        case OutputFormat.JSON:
            sys.stdout.write(as_json(records, report.keys))
        case OutputFormat.CSV:
            write_csv(records, report.keys)
