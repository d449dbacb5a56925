"""Survey a Payment Log before it is compared. Find the meaning of its columns, its first rows and its problems."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import BinaryIO

from emr.csv_records import heading_key
from emr.csv_table import HeaderError, Table, TableError, open_table
from emr.payment_log import COLUMNS, OPTIONAL_COLUMNS, REQUIRED_COLUMNS, scan_payment_log
from payments.contract.money import ZERO, Money
from payments.contract.payment_log import EmrLogRow

FIRST_ROWS_MAX, PROBLEMS_MAX, CLINICS_MAX = 10, 50, 50
SEPARATOR_NAMES = {",": "comma", ";": "semicolon", "\t": "tab", "|": "vertical bar"}


@dataclass(slots=True)
class LogSurvey:
    """The result of a survey of a Payment Log.

    `columns` maps each column to its heading in the file; columns that the file lacks are left out. `ignored` are the
    headings of all other columns in the file. The lists have a limited length, but the counts are complete. `total` is
    in dollars.
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    ignored: tuple[str, ...] = ()
    separator: str = ""
    encoding: str = ""
    row_count: int = 0
    total: Money = ZERO
    first_day: date | None = None
    last_day: date | None = None
    first_rows: list[EmrLogRow] = field(default_factory=list)
    clinics: list[str] = field(default_factory=list)
    problems: list[TableError] = field(default_factory=list)
    problem_count: int = 0

    @property
    def missing(self) -> list[str]:
        """The required columns that the file lacks."""
        return [column for column in REQUIRED_COLUMNS if column not in self.columns]

    def add(self, line: EmrLogRow | TableError) -> None:
        """Add a line to the survey, or the problem of a row."""
        if isinstance(line, TableError):
            self.problem_count += 1
            if len(self.problems) < PROBLEMS_MAX:
                self.problems.append(line)
            return
        self.row_count += 1
        self.total += line.amount
        if len(self.first_rows) < FIRST_ROWS_MAX:
            self.first_rows.append(line)
        if line.key.clinic_id not in self.clinics and len(self.clinics) < CLINICS_MAX:
            self.clinics.append(line.key.clinic_id)
        if day := line.details.day:
            self.first_day = min(day, self.first_day or day)
            self.last_day = max(day, self.last_day or day)


def survey_payment_log(file: BinaryIO) -> LogSurvey:
    """Read a Payment Log to its end, and return the survey. Problems of the file are part of the survey."""
    survey = LogSurvey()
    try:
        with open_table(file, REQUIRED_COLUMNS, OPTIONAL_COLUMNS) as table:
            survey.separator, survey.encoding = SEPARATOR_NAMES[table.separator], _encoding_name(table)
            _add_headings(survey, table.headings)
            for line in scan_payment_log(table):
                survey.add(line)
    except HeaderError as error:
        _add_headings(survey, error.headings)
        survey.add(error)
    except TableError as error:
        survey.add(error)
    return survey


def _add_headings(survey: LogSurvey, headings: Sequence[str]) -> None:
    by_name = {heading_key(heading): heading for heading in reversed(headings)}
    survey.columns = {column: by_name[heading_key(column)] for column in COLUMNS if heading_key(column) in by_name}
    used = {heading_key(column) for column in COLUMNS}
    survey.ignored = tuple(heading for heading in headings if heading.strip() and heading_key(heading) not in used)


def _encoding_name(table: Table) -> str:
    return "UTF-16" if table.encoding == "utf-16" else "UTF-8"
