"""Messages about transfers, for commands and pages."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from payments.journeys.transferring import Transfer


def made_message(done: Transfer) -> str:
    """Return the message for a transfer that was made."""
    stored = done.stored
    if done.was_done_before:
        return f"Transfer {stored.id} was made before; nothing was changed."
    return (
        f"Transfer {stored.id}: moved {stored.amount:,} from patient {stored.from_patient_id} to patient "
        f"{stored.to_patient_id} with deposit date {stored.deposit_date}."
    )


def undone_message(done: Transfer) -> str:
    """Return the message for a transfer that was undone."""
    stored = done.stored
    if done.was_done_before:
        return f"Transfer {stored.id} was undone before; nothing was changed."
    return f"Transfer {stored.id} undone: {stored.amount:,} moved back to patient {stored.from_patient_id}."
