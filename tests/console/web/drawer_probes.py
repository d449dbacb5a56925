"""Requests that ask for drawers of another company."""

from datetime import date, datetime
from typing import Any

from payments.contract.event import Method
from payments.contract.money import dollars
from payments.core.drawer import CashCount, DrawerCount
from payments.journeys import drawers
from payments.journeys.drawers import OpeningRequest, Stamp
from payments.store.db.connection import Transaction

USER, REASON, CHECKS = "user:beta-desk", "beta-reason", "97.13"


def add_drawer(tx: Transaction, company: str, clinic: str, now: datetime) -> int:
    """Count the drawer of a day with payments of a clinic, and return its id."""
    opened = drawers.open_drawer(tx, OpeningRequest(clinic, company, date(2026, 5, 5)), now, USER)
    counted = DrawerCount(CashCount(bills_20=1), {Method.CHECK: dollars(CHECKS)}, REASON)
    drawers.count(tx, opened.drawer.id, counted, Stamp(now, USER))
    return opened.drawer.id


def drawer_probes(drawer_id: int, place: tuple[str, str]) -> dict[str, list[dict[str, Any]]]:
    """Return requests for the drawer of a company, by method and path. `place` is its company and its clinic."""
    company, clinic = place
    lists = [{}, {"clinic": clinic}, {"company": company}, {"company": company, "clinic": clinic}]
    opening = [{"clinic": clinic}, {"clinic": clinic, "company": company}]
    one, count = {"drawer_id": drawer_id}, {"drawer_id": drawer_id, "bills_20": 2}
    return {
        **dict.fromkeys(("GET /drawers", "GET /api/drawers"), lists),
        **dict.fromkeys(("POST /drawers", "POST /api/drawers"), opening),
        **{key: [one] for key in _SHOWN},
        **{key: [count] for key in ("POST /drawers/{drawer_id}/count", "POST /api/drawers/{drawer_id}/count")},
        **{key: [one] for key in ("POST /drawers/{drawer_id}/close", "POST /api/drawers/{drawer_id}/close")},
    }


_SHOWN = ("GET /drawers/{drawer_id}", "GET /drawers/{drawer_id}/pdf", "GET /api/drawers/{drawer_id}")
