"""Clinic settings: the switch and the seven types of each clinic side by side, its history, copying."""

from typing import Annotated, NamedTuple

from fastapi import APIRouter, Query, Response

from console.web.auth import Configurer, Viewer
from console.web.context import RequestContext
from console.web.errors import PageError
from console.web.filters import Filter, Text
from console.web.rendering import url
from payments.contract.event import ChargeType
from payments.core.outcome import Reason, Status
from payments.journeys import configuring, requeueing
from payments.journeys.configuring import ClinicRow, SettingsUpdate
from payments.journeys.reporting import FeedFilter
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
def show(choice: Annotated[_Choice, Query()], context: Viewer) -> Response:
    """Show clinics side by side; what differs from a clinic that is chosen to compare with is marked."""
    with context.app.transaction() as tx:
        seen = [row for row in configuring.show_clinics(tx, context.now) if context.user.sees(row.clinic)]
    like = next((row for row in seen if row.clinic == choice.like), None)
    rows = [row for row in seen if _is_named(row, choice.find)]
    if like and choice.differing:
        rows = [row for row in rows if row is like or (row.integration, row.types) != (like.integration, like.types)]
    names = [row.clinic for row in seen]
    return context.page("clinics.html", rows=rows, like=like, types=list(ChargeType), names=names, choice=choice)


@router.get("/clinic")
def show_one(choice: Annotated[_Choice, Query()], context: Viewer) -> Response:
    """Show one clinic with its history, and what could be requeued after a change."""
    with context.app.transaction() as tx:
        row = _clinic(tx, context, choice.clinic or "")
        history = configuring.show_history(tx, row.clinic)
        foreseen = requeueing.preview_requeue(
            tx, FeedFilter(status=Status.NOT_SENT, clinics=(row.clinic,)), context.now
        )
        others = [each for each in configuring.clinic_names(tx, context.user.clinics) if each != row.clinic]
    left_out = [_left_out(foreseen, reason) for reason in (Reason.TYPE_NOT_SELECTED, Reason.INTEGRATION_OFF)]
    return context.page(
        "clinic.html",
        row=row,
        types=list(ChargeType),
        history=history,
        left_out=[each for each in left_out if each.number],
        others=others,
        ticked=choice.ticked,
    )


@router.post("/clinic")
def change(context: Configurer) -> Response:
    """Set a clinic's switch and types from now on."""
    types = [kind for kind in ChargeType if kind in context.form.getlist("type")]
    with context.app.transaction() as tx:
        before = _clinic(tx, context, str(context.form.get("clinic", "")))
        after = _set(tx, context, before, integration=context.form.get("integration") == "on", types=types)
    flows_more = after.integration and (not before.integration or bool({*after.types} - {*before.types}))
    said = f"Clinic {after.clinic}: saved. Payments saved from now on are judged by it."
    return context.redirect(url("/clinic", clinic=after.clinic, ticked="true" if flows_more else None), said)


@router.post("/clinic/copy")
def copy(context: Configurer) -> Response:
    """Give other clinics the settings of one."""
    targets = [str(name) for name in context.form.getlist("to")]
    if not targets:
        raise PageError(422, "No clinic was ticked to copy to.", "Go back and tick at least one.")
    with context.app.transaction() as tx:
        source = _clinic(tx, context, str(context.form.get("clinic", "")))
        for name in targets:
            _set(tx, context, _clinic(tx, context, name), integration=source.integration, types=source.types)
    said = f"The settings of {source.clinic} hold for {', '.join(targets)} too, from now on."
    return context.redirect(url("/clinics", like=source.clinic), said)


def _set(
    tx: Transaction, context: RequestContext, row: ClinicRow, *, integration: bool, types: list[ChargeType]
) -> ClinicRow:
    wish = SettingsUpdate(row.clinic, row.company, integration, types)
    after = configuring.set_clinic(tx, wish, now=context.now, who=context.user.signature)
    switch = "on" if after.integration else "off"
    context.audit(tx, "changed clinic settings", row.clinic, f"{switch}; {', '.join(after.types) or 'no types'}")
    return after


def _clinic(tx: Transaction, context: RequestContext, name: str) -> ClinicRow:
    rows = configuring.show_clinics(tx, context.now, name) if name and context.user.sees(name) else []
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
