"""Messages about drawers, for commands and pages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from payments.core.drawer import DrawerState

if TYPE_CHECKING:
    from payments.contract.money import Money
    from payments.journeys.drawers import DrawerSummary, OpeningResult


def opened_message(opened: OpeningResult) -> str:
    """Return the message for a drawer that was opened."""
    drawer = opened.drawer
    if opened.was_open_before:
        return f"Drawer {drawer.id} was open before; nothing was changed."
    cash = f"{drawer.starting_cash:,} starting cash"
    return f"Drawer {drawer.id} of clinic {drawer.clinic_id} opened: {drawer.day}, shift {drawer.shift}, {cash}."


def counted_message(found: DrawerSummary) -> str:
    """Return the message for a drawer that was counted."""
    result = over_or_short(found.difference)
    if found.state is DrawerState.LOCKED:
        return f"Drawer {found.drawer.id} counted: {result}. Count again, or state the reason."
    return f"Drawer {found.drawer.id} counted: {result}. Another person can close it."


def closed_message(found: DrawerSummary) -> str:
    """Return the message for a drawer that was closed."""
    return f"Drawer {found.drawer.id} closed: {over_or_short(found.difference)}."


def over_or_short(difference: Money | None) -> str:
    """Return a difference as words, such as `2.00 short`. `difference` is None before the count."""
    if difference is None:
        return "not counted"
    return (
        "no difference in total" if not difference else f"{abs(difference):,} {'over' if difference > 0 else 'short'}"
    )
