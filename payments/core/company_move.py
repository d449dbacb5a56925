"""The move of a company to another installation: its state, and the manifest of an export.

The manifest lists the files of an export, with the figures that both installations verify (docs/decisions/0022).
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from enum import StrEnum
from typing import Any, NamedTuple, Self
from uuid import UUID

from payments.contract.money import Money, dollars, total
from payments.core.month import Month

MANIFEST_FORMAT = 1
"""The version of the manifest's format."""


class MoveState(StrEnum):
    """The progress of a company's move in this installation.

    LEFT: the company's rows were exported or are being exported, and no longer change here. ARRIVING: the company is
    being imported here. ARRIVED: the company was imported here. A company that never moved has no state.
    """

    LEFT = "left"
    ARRIVING = "arriving"
    ARRIVED = "arrived"


class MoveError(ValueError):
    """The company cannot be exported or imported. The message says why and what to do."""


class ExportedTable(NamedTuple):
    """A file of an export: the rows of one table in the text format of COPY. `columns` are in the order of the file."""

    table: str
    columns: tuple[str, ...]
    rows: int
    bytes: int
    sha256: str


class LedgerDay(NamedTuple):
    """The number of entries with one deposit date, and their sum in dollars."""

    deposit_date: date
    entries: int
    total: Money


class ClosedMonthTotal(NamedTuple):
    """The values that the close of a month stored: the total in dollars, and the hash of the totals (hexadecimal)."""

    month: Month
    payments_total: Money
    hash: str


class IdRange(NamedTuple):
    """The lowest and the highest id that a company's rows have in a table."""

    first: int
    last: int


class LedgerTotals(NamedTuple):
    """The totals of a company's ledger. The old and the new installation compute and compare them."""

    days: tuple[LedgerDay, ...]
    closed_months: tuple[ClosedMonthTotal, ...]

    @property
    def entries(self) -> int:
        """The number of entries."""
        return sum(day.entries for day in self.days)

    @property
    def total(self) -> Money:
        """The sum of all entries in dollars."""
        return total(day.total for day in self.days)


class Manifest(NamedTuple):
    """The description of a complete export.

    `schema` is the version of the database schema. `ids` holds the range of row ids by table. `move_id` identifies the
    move. If a company that has left is exported again, `move_id` stays the same.
    """

    company_id: str
    move_id: UUID
    schema: str
    exported_at: datetime
    exported_by: str
    tables: tuple[ExportedTable, ...]
    ids: Mapping[str, IdRange]
    ledger: LedgerTotals

    @property
    def rows(self) -> int:
        """The number of rows in all tables."""
        return sum(each.rows for each in self.tables)

    def to_json(self) -> str:
        """Return the text of the manifest's file. The text includes a checksum of the other values."""
        content: dict[str, Any] = {"format": MANIFEST_FORMAT, **self._asdict()}
        content["tables"] = [each._asdict() for each in self.tables]
        content["ids"] = {table: ids._asdict() for table, ids in self.ids.items()}
        content["ledger"] = {
            "days": [day._asdict() for day in self.ledger.days],
            # As text: JSON would write a month as a list.
            "closed_months": [each._asdict() | {"month": str(each.month)} for each in self.ledger.closed_months],
        }
        content = json.loads(json.dumps(content, default=str))
        return json.dumps(content | {"checksum": _checksum(content)}, indent=2, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, written: str) -> Self:
        """Parse the text of a manifest's file.

        Raises MoveError if the text is not a manifest, has another format version, or differs from its checksum.
        """
        try:
            content = json.loads(written)
            if content.pop("checksum") != _checksum(content):
                raise MoveError("the manifest is damaged: its checksum differs; copy it again")
            if content.pop("format") != MANIFEST_FORMAT:
                raise MoveError("the manifest has another format; import it with the release that exported it")
            return cls(**{name: _FIELD_PARSERS.get(name, str)(value) for name, value in content.items()})
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            if isinstance(error, MoveError):
                raise
            raise MoveError(f"the manifest is damaged ({type(error).__name__}); export the company again") from None


def check_ledger(expected: LedgerTotals, found: LedgerTotals) -> None:
    """Raise MoveError if the totals of two ledgers differ. The error names the first difference."""
    _check_equal("deposit date", expected.days, found.days)
    _check_equal("closed month", expected.closed_months, found.closed_months)


def _checksum(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _check_equal(noun: str, expected: Sequence[Any], found: Sequence[Any]) -> None:
    exported, imported = ({each[0]: each for each in side} for side in (expected, found))
    for key in sorted(exported.keys() | imported.keys()):
        if exported.get(key) != imported.get(key):
            sides = (f"{side}: {_amounts(row.get(key))}" for side, row in (("exported", exported), ("here", imported)))
            raise MoveError(f"{noun} {key}: the totals differ ({', '.join(sides)}); nothing was imported")


def _amounts(row: Sequence[object] | None) -> str:
    return " ".join(map(str, row[1:])) if row else "none"


def _parse_table(row: dict[str, Any]) -> ExportedTable:
    return ExportedTable(**row | {"columns": tuple(row["columns"])})


def _parse_ledger(content: dict[str, Any]) -> LedgerTotals:
    return LedgerTotals(
        tuple(
            LedgerDay(date.fromisoformat(day["deposit_date"]), day["entries"], dollars(day["total"]))
            for day in content["days"]
        ),
        tuple(
            ClosedMonthTotal(Month.parse(each["month"]), dollars(each["payments_total"]), each["hash"])
            for each in content["closed_months"]
        ),
    )


_FIELD_PARSERS: dict[str, Any] = {
    "move_id": UUID,
    "exported_at": datetime.fromisoformat,
    "tables": lambda rows: tuple(map(_parse_table, rows)),
    "ids": lambda ranges: {table: IdRange(**ids) for table, ids in ranges.items()},
    "ledger": _parse_ledger,
}
