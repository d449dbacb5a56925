"""Apply a change in one transaction, after showing what it would do and asking for confirmation."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

from console.cli.confirmation import confirm, must_ask
from console.cli.session import open_database
from console.cli.terminal import print_line

if TYPE_CHECKING:
    from payments.store.db.connection import Transaction

_Result = TypeVar("_Result")


class ConfirmedChange(NamedTuple, Generic[_Result]):
    """A change that a command makes: how it is applied, described and recorded, and the question before it.

    `apply` makes the change in a transaction, `describe` renders its result as a sentence, and `record` adds the audit
    entry to the same transaction.
    """

    apply: Callable[[Transaction], _Result]
    describe: Callable[[_Result], str]
    record: Callable[[Transaction, _Result], None]
    question: str

    def run(self, *, yes: bool, dry_run: bool) -> None:
        """Apply the change, and print its description. On a terminal, ask before, unless `yes` is set.

        With `dry_run`, only print what would happen. Raises the errors of `apply`, and CommandError if the user does
        not confirm.
        """
        from payments.store.db.connection import transaction  # noqa: PLC0415 (keeps `payments --help` fast)

        with open_database() as opened:
            if dry_run or must_ask(yes=yes):
                with transaction(opened) as tx:
                    expected = self.describe(self.apply(tx))
                    tx.rollback()
                if dry_run:
                    print_line(f"Would be: {expected} Nothing was changed.")
                    return
                confirm(f"{expected} {self.question}")
            with transaction(opened) as tx:
                done = self.apply(tx)
                self.record(tx, done)
                print_line(self.describe(done))
