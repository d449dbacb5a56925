"""Installations for tests that move a company, and functions that read a company's data."""

import json
from pathlib import Path
from typing import Any

import pytest

from payments.store.db.connection import Database, connect, transaction
from payments.store.db.statement import text
from payments.store.moving.moved_tables import MOVED_TABLES, columns_of, id_columns
from tests.builders.every_row import CLINIC
from tests.console.conftest import CommandResult, Terminal

REPORT_COMMANDS = (
    "report claims-feed",
    "report exceptions --status all",
    "report payment-log",
    "report payment-log --group-by deposit_date",
    "report account patient",
    "months list",
)


class Installation:
    """A database, and commands that run on it."""

    def __init__(self, url: str, terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
        self.url, self._terminal, self._monkeypatch = url, terminal, monkeypatch
        self.database: Database = connect(url, application_name="tests")

    def run(self, *arguments: object) -> CommandResult:
        """Run a command; return its status, output and errors."""
        self._monkeypatch.setenv("DATABASE_URL", self.url)
        return self._terminal.run(*map(str, arguments))

    def succeed(self, *arguments: object) -> str:
        """Run a command that must succeed, and return its output."""
        status, out, err = self.run(*arguments)
        assert (status, err) == (0, ""), err
        return out

    def export(self, company_id: str, folder: Path) -> dict[str, Any]:
        (row,) = json.loads(self.succeed("company", "export", company_id, "--to", folder, "--format", "json"))
        return dict(row)

    def import_folder(self, folder: Path) -> dict[str, Any]:
        (row,) = json.loads(self.succeed("company", "import", folder, "--format", "json"))
        return dict(row)

    def fail(self, *arguments: object) -> str:
        """Run a command that must fail with status 1, and return its error."""
        status, out, err = self.run(*arguments)
        assert (status, out) == (1, ""), out
        return err

    def reports(self, company_id: str) -> dict[str, str]:
        """Return the output of every report of a company."""
        found = {
            each: self.succeed(*each.split(), "--company", company_id, "--format", "json") for each in REPORT_COMMANDS
        }
        key = f"{company_id}:{CLINIC}/edited-0/1"
        return found | {"timeline": self.succeed("timeline", key, "--format", "json")}

    def rows(self, query: str, **parameters: object) -> list[tuple[Any, ...]]:
        with transaction(self.database) as tx:
            return [tuple(row) for row in tx.execute(text(query), parameters)]


def company_rows(installation: Installation, company_id: str) -> dict[str, list[tuple[object, ...]]]:
    """Return the rows of a company by table, without row ids."""
    found = {}
    for name, table in MOVED_TABLES.items():
        columns = [column for column in columns_of(table) if column not in id_columns(table)]
        query = f"SELECT {', '.join(columns)} FROM {name} WHERE company_id = :company ORDER BY {name}::text"
        found[name] = sorted(installation.rows(query, company=company_id), key=repr)
    return found


def without_audit(rows: dict[str, list[tuple[object, ...]]]) -> dict[str, list[tuple[object, ...]]]:
    return {name: found for name, found in rows.items() if name != "audit"}


# The tables to which the row ids in each table refer.
_JOIN_LINE = "JOIN lines ON lines.company_id = {0}.company_id AND lines.id = {0}.line_ref"
_JOIN_DEAD_LETTER = "JOIN set_aside ON set_aside.company_id = {0}.company_id AND set_aside.id = {0}.set_aside_ref"
_COLUMNS_AND_JOIN_BY_TABLE = {
    "entries": ("lines.payment_id, entries.amount, entries.part", _JOIN_LINE),
    "allocations": ("lines.payment_id, allocations.amount, rule", _JOIN_LINE),
    "findings": ("lines.payment_id, findings.status, findings.amount_now", _JOIN_LINE),
    "findings_was": ("lines.payment_id, findings_was.status, until", _JOIN_LINE),
    "history": ("lines.payment_id, at, what", _JOIN_LINE),
    "findings ": ("body_hash, findings.status, findings.amount_now", _JOIN_DEAD_LETTER),
    "history ": ("body_hash, at, what", _JOIN_DEAD_LETTER),
    "lines_was": ("lines.payment_id, until, lines_was.version", "JOIN lines USING (company_id, id)"),
    "set_aside_was": ("set_aside.body_hash, until", "JOIN set_aside USING (company_id, id)"),
}


def referenced_rows(installation: Installation, company_id: str) -> dict[str, list[tuple[object, ...]]]:
    """Return rows of a company by table. If a row refers to another by id, the other's key replaces the id."""
    return {
        name: sorted(
            installation.rows(
                f"SELECT {columns} FROM {name} {join.format(name)} WHERE {name}.company_id = :company",
                company=company_id,
            ),
            key=repr,
        )
        for name, (columns, join) in _COLUMNS_AND_JOIN_BY_TABLE.items()
    }


def interrupt(*_: object) -> None:
    """Raise an error. A test replaces a function with this one to interrupt a command."""
    raise RuntimeError("interrupted")
