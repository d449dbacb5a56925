"""Fixtures of the tests of commands."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.builders.every_row import add_company_with_every_row
from tests.console.cli.moves import Installation
from tests.console.conftest import Terminal
from tests.engines import scratch_database

Answer = Callable[[str], None]


@pytest.fixture
def installations(
    postgres_url: str, ledger_template: str, terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Installation, Installation]]:
    """An installation with the companies acme and other, which use the same ids, and an empty installation."""
    with ExitStack() as stack:
        found = []
        for _ in range(2):
            url = stack.enter_context(scratch_database(postgres_url, ledger_template))
            found.append(Installation(url, terminal, monkeypatch))
            stack.callback(found[-1].database.dispose)
        old, new = found
        for company_id in ("other", "acme"):
            add_company_with_every_row(old.database, company_id)
        yield old, new


@pytest.fixture
def type_answer(monkeypatch: pytest.MonkeyPatch) -> Iterator[Answer]:
    """Make the standard input a real pseudo-terminal, and return a function that types an answer on it."""
    ours, theirs = os.openpty()
    with os.fdopen(theirs, "r", closefd=True) as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        yield lambda typed: os.write(ours, typed.encode()) and None
    os.close(ours)
