"""Clinic settings: the switch and the seven types of each clinic side by side, its history, copying."""

from typing import Annotated, NamedTuple

from fastapi import APIRouter, Query, Response

from console.web.filters import Filter, Text
from console.web.rendering import url
from console.web.visiting import Configurer, PageError, Viewer, Visit
from payments.contract.event import ChargeType
from payments.core.outcome import Reason, Status
from payments.journeys import configuring, requeueing
from payments.journeys.configuring import ClinicRow, SettingsUpdate
from payments.journeys.listing import FeedFilter
from payments.journeys.requeueing import RequeuePreview
from payments.store.db.connection import Transaction

router = APIRouter(include_in_schema=False)


class _Choice(Filter):
    clinic: Text | None = None
    find: Text | None = None
    like: Text | None = None
    differing: bool = False
    ticked: bool = False


@router.get("/clinics")
def show(choice: Annotated[_Choice, Query()], visit: Viewer) -> Response:
    """Show clinics side by side; what differs from a clinic that is chosen to compare with is marked."""
    with visit.site.ledger() as tx:
        seen = [row for row in configuring.show_clinics(tx, visit.now) if visit.user.sees(row.clinic)]
    like = next((row for row in seen if row.clinic == choice.like), None)
    rows = [row for row in seen if _is_named(row, choice.find)]
    if like and choice.differing:
        rows = [row for row in rows if row is like or (row.integration, row.types) != (like.integration, like.types)]
    names = [row.clinic for row in seen]
    return visit.page("clinics.html", rows=rows, like=like, types=list(ChargeType), names=names, choice=choice)


@router.get("/clinic")
def show_one(choice: Annotated[_Choice, Query()], visit: Viewer) -> Response:
    """Show one clinic with its history, and what could be requeued after a change."""
    with visit.site.ledger() as tx:
        row = _clinic(tx, visit, choice.clinic or "")
        history = configuring.show_history(tx, row.clinic)
        foreseen = requeueing.preview_requeue(tx, FeedFilter(status=Status.NOT_SENT, clinics=(row.clinic,)), visit.now)
        others = [each for each in configuring.clinic_names(tx, visit.user.clinics) if each != row.clinic]
    left_out = [_left_out(foreseen, reason) for reason in (Reason.TYPE_NOT_SELECTED, Reason.INTEGRATION_OFF)]
    return visit.page(
        "clinic.html",
        row=row,
        types=list(ChargeType),
        history=history,
        left_out=[each for each in left_out if each.number],
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
    wish = SettingsUpdate(row.clinic, row.company, integration, types)
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


class _LeftOut(NamedTuple):
    """How many payments are Not Sent for a reason, and how many of them would not stay so by the settings of now."""

    reason: Reason
    number: int
    come_through: int


def _left_out(foreseen: RequeuePreview, reason: Reason) -> _LeftOut:
    number = sum(each.previous_reasons[reason] for each in foreseen.lines)
    return _LeftOut(
        reason, number, sum(each.previous_reasons[reason] for each in foreseen.lines if each.reason is None)
    )


def _is_named(row: ClinicRow, text: str | None) -> bool:
    return text is None or text.casefold() in f"{row.clinic} {row.company}".casefold()
