"""Messages about deposits, for commands and pages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from console.plurals import plural

if TYPE_CHECKING:
    from payments.journeys.deposits import DepositSlip


def made_message(slip: DepositSlip) -> str:
    """Return the message for a deposit that was made."""
    deposit = slip.deposit
    if slip.was_made_before:
        return f"Deposit {deposit.id} was made before; nothing was changed."
    entries = plural(deposit.entry_count, "entry", "entries")
    return f"Deposit {deposit.id} of {deposit.day}: {entries}, {deposit.total:,} to {deposit.bank_account}."


def reversed_message(slip: DepositSlip) -> str:
    """Return the message for a deposit that was reversed. `slip` is the reversal."""
    reversal = slip.deposit
    if slip.was_made_before:
        return f"Deposit {reversal.reverses} was reversed before by deposit {reversal.id}; nothing was changed."
    entries = plural(reversal.entry_count, "entry", "entries")
    return f"Deposit {reversal.reverses} reversed by deposit {reversal.id}: {entries} can be deposited again."
