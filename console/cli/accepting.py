"""Accept Billing Exceptions one by one. The user confirms a preview before anything is posted."""

# ruff: noqa: PLC0415 (imports inside functions keep `payments --help` fast)

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING

from console.cli.confirmation import confirm
from console.cli.exception_rows import find_exception
from console.cli.session import current_actor
from console.cli.terminal import print_error, print_line
from console.plurals import plural

if TYPE_CHECKING:
    from payments.contract.money import Money
    from payments.core.scope import Scope
    from payments.journeys.adjusting import AcceptanceResult
    from payments.store.db.connection import Database


@dataclass
class Acceptance:
    """The exceptions that a command accepts, by id. Exceptions outside `scope` are not accepted.

    `confirmed` maps the id of each exception to the result of its preview.
    """

    database: Database
    exception_ids: Sequence[int]
    deposit_date: date | None
    scope: Scope
    confirmed: dict[int, AcceptanceResult] = field(default_factory=dict)

    def preview(self) -> int:
        """Print the entries that each exception would post, and return how many can be accepted. Changes nothing."""
        from payments import exception_wording as wording

        self.confirmed = self._previews()
        for exception_id, done in self.confirmed.items():
            print_line(wording.sentence(exception_id, done.payment, wording.acceptance_preview(done)))
        return len(self.confirmed)

    def run(self, *, has_to_ask: bool) -> int:
        """Accept each exception, and return how many were accepted.

        If `has_to_ask`, first ask for confirmation, with the number of exceptions and the sum of their entries. Raises
        CommandError if the answer is no. An exception stays open if its entries differ from the confirmed entries.
        """
        if not has_to_ask:
            return sum(self._accept(exception_id) for exception_id in self.exception_ids)
        self.confirmed = self._previews()
        if any(not done.was_accepted_before for done in self.confirmed.values()):
            confirm(f"{self._preview_sentence(self.confirmed.values())} Accept?")
        return sum(self._accept(exception_id) for exception_id in self.confirmed)

    def summary(self, accepted: int, *, is_preview: bool) -> str:
        """Return a sentence with the number of accepted exceptions. A preview says how many would be accepted."""
        of = plural(len(self.exception_ids), "exception")
        if not is_preview:
            return f"{accepted:,} of {of} accepted"
        posted = f"the sum of the entries is {_sum_of_entries(self.confirmed.values()):,}"
        return f"{accepted:,} of {of} would be accepted; {posted}. Nothing was changed."

    def _preview_sentence(self, found: Iterable[AcceptanceResult]) -> str:
        new = [done for done in found if not done.was_accepted_before]
        entries = plural(sum(len(done.postings) for done in new), "entry", "entries")
        of = f"{len(new):,} of {plural(len(self.exception_ids), 'exception')}"
        posted = f"{entries} with a sum of {_sum_of_entries(new):,} posted"
        return f"{of} would be accepted, and {posted}. Posted entries can only be reversed, not removed."

    def _previews(self) -> dict[int, AcceptanceResult]:
        found = {
            exception_id: self._accept_in_transaction(exception_id, is_preview=True)
            for exception_id in self.exception_ids
        }
        return {exception_id: done for exception_id, done in found.items() if done}

    def _accept(self, exception_id: int) -> bool:
        from payments import exception_wording as wording

        done = self._accept_in_transaction(exception_id, is_preview=False)
        if done:
            print_line(wording.sentence(exception_id, done.payment, wording.acceptance_result(done)))
        return done is not None

    def _accept_in_transaction(self, exception_id: int, *, is_preview: bool) -> AcceptanceResult | None:
        """Accept an exception in a transaction. A preview rolls the transaction back.

        Returns None if the exception cannot be accepted.
        """
        from console import exception_actions
        from payments.core.finding import DecisionError
        from payments.store.db.connection import transaction

        try:
            with transaction(self.database) as tx:
                row = find_exception(tx, exception_id, self.scope)
                done = exception_actions.accept(tx, current_actor(), row, self.deposit_date)
                is_changed = done.postings != (self.confirmed.get(exception_id) or done).postings
                if is_preview or is_changed:
                    tx.rollback()
        except DecisionError as error:
            print_error(str(error))
            return None
        if is_changed:
            print_error(f"exception {exception_id}: it has changed since you confirmed; it is still open")
        return None if is_changed else done


def _sum_of_entries(accepted: Iterable[AcceptanceResult]) -> Money:
    from payments.contract.money import total

    return total(posting.amount for done in accepted for posting in done.postings)
