"""Requests that ask for deposits of another company."""

from datetime import datetime
from typing import Any

from payments.contract.event import Method
from payments.core.deposit import DepositDraft
from payments.core.scope import Scope
from payments.journeys import deposits
from payments.journeys.deposits import UndepositedFilter
from payments.store.db.connection import Transaction

USER, BANK = "user:beta-biller", "beta-bank"


def add_deposit(tx: Transaction, company: str, clinic: str, now: datetime) -> int:
    """Deposit one entry of a clinic, and return the id of the deposit."""
    scope = Scope.of_clinic(company, clinic)
    cash = deposits.list_undeposited(tx, UndepositedFilter(method=Method.CASH, scope=scope), 100)
    draft = DepositDraft("beta-deposit", clinic, Method.CASH, BANK, (cash[0].id,), None, company)
    return deposits.make(tx, draft, now, USER).deposit.id


def deposit_probes(deposit_id: int, entry_id: int, place: tuple[str, str]) -> dict[str, list[dict[str, Any]]]:
    """Return requests for a deposit and an entry of a company, by method and path. `place` is company and clinic."""
    company, clinic = place
    lists = [{}, {"clinic": clinic}, {"company": company}, {"company": company, "clinic": clinic}]
    new = {"clinic": clinic, "method": "Cash", "bank_account": "x", "request_key": "another"}
    own_clinic = {**new, "clinic": "north"}
    drafts = [new, {**new, "company": company}, own_clinic, {**new, "request_key": "beta-deposit"}]
    undoing = {"deposit_id": deposit_id, "reason": "x"}
    return {
        **dict.fromkeys(("GET /deposits", "GET /deposits/new", "GET /api/deposits", "GET /api/undeposited"), lists),
        "POST /deposits": [{**each, "entry": entry_id} for each in drafts],
        "POST /api/deposits": [{**each, "entries": [entry_id]} for each in drafts],
        **{key: [{"deposit_id": deposit_id}] for key in _SHOWN},
        **{f"POST {path}/reverse": [undoing] for path in ("/deposits/{deposit_id}", "/api/deposits/{deposit_id}")},
    }


_SHOWN = ("GET /deposits/{deposit_id}", "GET /deposits/{deposit_id}/pdf", "GET /api/deposits/{deposit_id}")
