"""Clinic settings: show, change and copy the integration switch and charge types of clinics, and show their history."""

from dataclasses import dataclass
from typing import Annotated, Literal, NamedTuple

from fastapi import APIRouter, Form, Query, Response
from pydantic import BeforeValidator, Field

from console import recorded_actions
from console.plurals import plural
from console.reports.settings import SETTINGS, SETTINGS_HISTORY, settings_records
from console.web.auth import Configurer, Exporter, Viewer
from console.web.context import RequestContext
from console.web.errors import PageError
from console.web.exporting import FileFormat, send_records
from console.web.filters import PageQuery, Text
from console.web.large_forms import LargeFormRoute
from console.web.pages.named_clinics import ClinicName, find_clinic, find_clinics, names_of
from console.web.rendering import url
from console.web.short_lists import ShortList, short_list
from payments.contract.event import ChargeType
from payments.contract.keys import ClinicKey
from payments.core.conflict import ChangedMeanwhileError
from payments.core.eligibility import ClinicSettings
from payments.core.outcome import Reason, Status
from payments.core.requeue_result import RequeueResult
from payments.core.scope import Scope
from payments.journeys import configuring, requeueing
from payments.journeys.configuring import ClinicRow, SettingsUpdate
from payments.journeys.reporting import FeedFilter
from payments.journeys.requeueing import RequeuePreview
from payments.store.db.connection import Transaction

router = APIRouter(include_in_schema=False, route_class=LargeFormRoute)

_NAMED_MAX = 20
"""Maximum number of clinics that a message names. If there are more, the message contains their number."""


class _ClinicsQuery(PageQuery):
    clinic: Text | None = None
    company: Text | None = None
    find: Text | None = None
    like: Text | None = None
    differing: bool = False
    changed: bool = False
    sort: Text | None = None


def _split(texts: list[str]) -> list[str]:
    return [name for text in texts for name in text.split(", ") if name]


class _SeenForm(PageQuery):
    """Base class of the clinic forms. It holds the settings that the page showed, to detect concurrent changes."""

    clinic: Text = ""
    company: Text | None = None
    seen_integration: Literal["on", "off"] | None = None
    seen_types: Annotated[list[ChargeType], BeforeValidator(_split)] = Field(default_factory=list)

    @property
    def seen(self) -> ClinicSettings | None:
        """The settings that the page showed. Without them, no conflict is detected."""
        if self.seen_integration is None:
            return None
        return ClinicSettings(self.seen_integration == "on", frozenset(self.seen_types))


class _SettingsForm(_SeenForm):
    integration: Literal["on"] | None = None
    charge_types: list[ChargeType] = Field(default_factory=list, alias="type")

    @property
    def settings(self) -> ClinicSettings:
        """The settings that the user chose."""
        return ClinicSettings(self.integration == "on", frozenset(self.charge_types))


class _CopyForm(_SeenForm):
    """The clinic whose settings are copied, and the clinics `to` that get them. A clinic is an id, or `company:id`."""

    to: list[Text] = Field(default_factory=list)


class _Conflict(NamedTuple):
    """Settings that were not saved, and the error that lists what another user has saved meanwhile."""

    chosen: ClinicSettings
    error: ChangedMeanwhileError


@router.get("/clinics")
def show(choice: Annotated[_ClinicsQuery, Query()], context: Viewer) -> Response:
    """Show the settings of the matching clinics. If the user compares with one clinic, highlight the differences."""
    chosen = _select_clinics(context, choice)
    return context.page(
        "clinics.html",
        report=SETTINGS,
        list=chosen.found.view,
        rows=chosen.found.rows,
        like=chosen.like,
        types=list(ChargeType),
        names=chosen.names,
        choice=choice,
    )


@router.get("/clinics/export")
def export(choice: Annotated[_ClinicsQuery, Query()], context: Exporter, form: FileFormat = FileFormat.CSV) -> Response:
    """Export the settings of the matching clinics as a file."""
    return send_records(context, SETTINGS, form, _select_clinics(context, choice).found.records)


class _Selected(NamedTuple):
    """The matching clinics, the clinic to compare with, and the names of all clinics that the user may see."""

    found: ShortList[ClinicRow]
    like: ClinicRow | None
    names: dict[ClinicKey, str]


def _select_clinics(context: RequestContext, choice: _ClinicsQuery) -> _Selected:
    with context.transaction() as tx:
        visible = configuring.list_clinic_settings(tx, context.now, scope=context.user.scope)
    like = next((row for row in visible if choice.like in {row.clinic, ":".join(row.key)}), None)
    rows = [row for row in visible if _matches(row, choice.find)]
    if like and choice.differing:
        rows = [row for row in rows if row is like or (row.integration, row.types) != (like.integration, like.types)]
    found = short_list(context, SETTINGS, choice.sort, rows, settings_records(rows))
    return _Selected(found, like, names_of(row.key for row in visible))


@router.get("/clinic")
def show_clinic(choice: Annotated[_ClinicsQuery, Query()], context: Viewer) -> Response:
    """Show one clinic: its settings, their history, and its Not Sent payments that could be requeued."""
    return _show(context, ClinicName(choice.clinic or "", choice.company), changed=choice.changed)


def _show(
    context: RequestContext, name: ClinicName, *, changed: bool = False, conflict: _Conflict | None = None
) -> Response:
    with context.transaction() as tx:
        row = find_clinic(tx, context, name)
        history = configuring.show_history(tx, row.key)
        feed_filter = FeedFilter(status=Status.NOT_SENT, scope=Scope.of_clinic(*row.key))
        expected = requeueing.preview_requeue(tx, feed_filter, context.now)
        names = names_of(configuring.list_clinic_keys(tx, context.user.scope))
    not_sent = [_count_not_sent(expected, reason) for reason in (Reason.TYPE_NOT_SELECTED, Reason.INTEGRATION_OFF)]
    return context.page(
        "clinic.html",
        409 if conflict else 200,
        row=row,
        chosen=conflict.chosen if conflict else ClinicSettings(row.integration, frozenset(row.types)),
        conflict=conflict.error if conflict else None,
        types=list(ChargeType),
        history=history,
        history_report=SETTINGS_HISTORY,
        not_sent=[each for each in not_sent if each.count],
        name=names[row.key],
        others=[other for key, other in names.items() if key != row.key],
        changed=changed,
    )


@router.post("/clinic")
def change(form: Annotated[_SettingsForm, Form()], context: Configurer) -> Response:
    """Change a clinic's integration switch and charge types from now on.

    If another user has changed the settings since the page was shown, nothing is saved. The page then lists these
    changes and keeps the user's choices (409).
    """
    try:
        with context.transaction() as tx:
            before = find_clinic(tx, context, ClinicName(form.clinic, form.company))
            after = _save_settings(tx, context, before, form.settings, form.seen)
    except ChangedMeanwhileError as error:
        return _show(context, ClinicName(form.clinic, form.company), conflict=_Conflict(form.settings, error))
    sends_more = after.integration and (not before.integration or bool({*after.types} - {*before.types}))
    period = (
        "They apply to payments saved from now on. A clinic's first settings also apply to earlier payments; requeue "
        "those that are Not Sent."
    )
    message = f"Settings of clinic {after.clinic} saved. {period}"
    changed = "true" if sends_more else None
    return context.redirect(url("/clinic", clinic=after.clinic, company=after.company, changed=changed), message)


@router.post("/clinic/copy")
def copy(form: Annotated[_CopyForm, Form()], context: Configurer) -> Response:
    """Copy the settings of one clinic to other clinics.

    Raises PageError if no clinic is selected (422), or if the settings were changed since the page was shown (409).
    """
    if not form.to:
        raise PageError(422, "No clinics are selected.", "Go back and select the clinics to copy to.")
    with context.transaction() as tx:
        source = find_clinic(tx, context, ClinicName(form.clinic, form.company))
        targets = find_clinics(tx, context, form.to)
        configuring.lock_clinics(tx, {row.key for row in (source, *targets)})
        source = find_clinic(tx, context, ClinicName(source.clinic, source.company))
        settings = ClinicSettings(source.integration, frozenset(source.types))
        if form.seen not in {None, settings}:
            raise PageError(
                409,
                f"The settings of clinic {source.clinic} were changed meanwhile; nothing was copied.",
                "Go back and reload the page.",
            )
        for row in targets:
            _save_settings(tx, context, row, settings)
    copied = ", ".join(form.to) if len(form.to) <= _NAMED_MAX else plural(len(form.to), "clinic")
    message = f"Settings of clinic {source.clinic} copied to {copied}."
    return context.redirect(url("/clinics", like=":".join(source.key)), message)


def _save_settings(
    tx: Transaction,
    context: RequestContext,
    row: ClinicRow,
    settings: ClinicSettings,
    seen: ClinicSettings | None = None,
) -> ClinicRow:
    update = SettingsUpdate(row.clinic, row.company, settings.integration, settings.charge_types, seen)
    return recorded_actions.set_clinic(tx, context.actor, update, context.app.settings.default_timezone)


@dataclass(frozen=True)
class _NotSent:
    """The number of payments that are Not Sent for one reason.

    `sendable` is how many of them would be sent with the current settings.
    """

    reason: Reason
    count: int
    sendable: int


def _count_not_sent(expected: RequeuePreview, reason: Reason) -> _NotSent:
    return _NotSent(
        reason,
        count=sum(each.previous_reasons[reason] for each in expected.results),
        sendable=sum(
            each.previous_reasons[reason] for each in expected.results if each.result is not RequeueResult.NOT_SENT
        ),
    )


def _matches(row: ClinicRow, text: str | None) -> bool:
    return text is None or text.casefold() in f"{row.clinic} {row.company}".casefold()
