"""Clinic settings: the switch and the seven types of each clinic side by side, its history, copying."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from console.filters import Filter, Text
from console.rendering import url
from console.visiting import Configurer, PageError, Viewer, Visit
from payments.core.event import ChargeType
from payments.core.outcome import Reason, Status
from payments.journeys import configuring, requeueing
from payments.journeys.browsing import Wanted
from payments.journeys.configuring import ClinicRow, Wish
from payments.store.session import Transaction

router = APIRouter(include_in_schema=False)


class _Choice(Filter):
    clinic: Text | None = None
    like: Text | None = None
    ticked: bool = False


@router.get("/clinics")
def show(choice: Annotated[_Choice, Query()], visit: Viewer) -> Response:
    """Show all clinics side by side; those that differ from a clinic that is chosen to compare with are marked."""
    with visit.site.ledger() as tx:
        rows = [row for row in configuring.show_clinics(tx, visit.now) if visit.user.sees(row.clinic)]
    like = next((row for row in rows if row.clinic == choice.like), None)
    return visit.page("clinics.html", rows=rows, like=like, types=list(ChargeType), names=[row.clinic for row in rows])


@router.get("/clinic")
def show_one(choice: Annotated[_Choice, Query()], visit: Viewer) -> Response:
    """Show one clinic with its history, and what could be requeued after a change."""
    with visit.site.ledger() as tx:
        row = _clinic(tx, visit, choice.clinic or "")
        history = configuring.show_history(tx, row.clinic)
        left_out = {reason: _count(tx, row, reason) for reason in (Reason.TYPE_NOT_SELECTED, Reason.INTEGRATION_OFF)}
        others = [each for each in configuring.clinic_names(tx, visit.user.clinics) if each != row.clinic]
    return visit.page(
        "clinic.html",
        row=row,
        types=list(ChargeType),
        history=history,
        left_out={reason: count for reason, count in left_out.items() if count},
        others=others,
        ticked=choice.ticked,
    )


@router.post("/clinic")
def change(visit: Configurer) -> Response:
    """Set a clinic's switch and types from now on."""
    types = [kind for kind in ChargeType if kind in visit.form.getlist("type")]
    with visit.site.ledger() as tx:
        before = _clinic(tx, visit, str(visit.form.get("clinic", "")))
        after = _set(tx, visit, before, integration=visit.form.get("integration") == "on", types=types)
    flows_more = after.integration and (not before.integration or bool({*after.types} - {*before.types}))
    said = f"Clinic {after.clinic}: saved. Payments saved from now on are judged by it."
    return visit.go(url("/clinic", clinic=after.clinic, ticked="true" if flows_more else None), said)


@router.post("/clinic/copy")
def copy(visit: Configurer) -> Response:
    """Give other clinics the settings of one."""
    targets = [str(name) for name in visit.form.getlist("to")]
    if not targets:
        raise PageError(422, "No clinic was ticked to copy to.", "Go back and tick at least one.")
    with visit.site.ledger() as tx:
        source = _clinic(tx, visit, str(visit.form.get("clinic", "")))
        for name in targets:
            _set(tx, visit, _clinic(tx, visit, name), integration=source.integration, types=source.types)
    said = f"The settings of {source.clinic} hold for {', '.join(targets)} too, from now on."
    return visit.go(url("/clinics", like=source.clinic), said)


def _set(tx: Transaction, visit: Visit, row: ClinicRow, *, integration: bool, types: list[ChargeType]) -> ClinicRow:
    wish = Wish(row.clinic, row.company, integration, types)
    after = configuring.set_clinic(tx, wish, now=visit.now, who=visit.user.signature)
    switch = "on" if after.integration else "off"
    visit.note(tx, "changed clinic settings", row.clinic, f"{switch}; {', '.join(after.types) or 'no types'}")
    return after


def _clinic(tx: Transaction, visit: Visit, name: str) -> ClinicRow:
    rows = configuring.show_clinics(tx, visit.now, name) if name and visit.user.sees(name) else []
    if not rows:
        raise PageError(
            404, f"There is no clinic {name}." if name else "No clinic was named.", "Choose one from the list."
        )
    return rows[0]


def _count(tx: Transaction, row: ClinicRow, reason: Reason) -> int:
    return requeueing.count_matching(tx, Wanted(status=Status.NOT_SENT, reason=reason, clinics=(row.clinic,)))
