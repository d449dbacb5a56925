"""Unconfirmed companies, clinics and patients, which events added. Users confirm them, or retire empty ones."""

from typing import Annotated, Literal

from fastapi import APIRouter, Form, Query, Response

from console.reports.unconfirmed import UNCONFIRMED, unconfirmed_records
from console.web.auth import Administrator
from console.web.context import RequestContext
from console.web.exporting import FileFormat, send_records
from console.web.filters import PageQuery, Text
from console.web.short_lists import ShortList, short_list
from payments.journeys import confirming
from payments.journeys.confirming import NamedClinic, UnconfirmedRow

router = APIRouter(include_in_schema=False)


class _NamedForm(PageQuery):
    kind: Literal["company", "clinic"]
    company: Text = ""
    id: Text = ""

    @property
    def named(self) -> NamedClinic:
        """The company or the clinic of the form."""
        return NamedClinic(self.company, self.id if self.kind == "clinic" else None)


class _ListQuery(PageQuery):
    sort: Text | None = None


@router.get("/new-ids")
def show(choice: Annotated[_ListQuery, Query()], context: Administrator) -> Response:
    """Show the unconfirmed companies, clinics and patients, and the retired companies and clinics."""
    found = _list_unconfirmed(context, choice.sort)
    held = [confirming.describe_contents(row.contents) for row in found.rows]
    shown = list(zip(found.rows, held, strict=True))
    may_restore = confirming.may_restore(context.user.scope)
    return context.page("new_ids.html", report=UNCONFIRMED, list=found.view, rows=shown, may_restore=may_restore)


@router.get("/new-ids/export")
def export(
    choice: Annotated[_ListQuery, Query()], context: Administrator, form: FileFormat = FileFormat.CSV
) -> Response:
    """Export the companies, clinics and patients of the page as a file."""
    return send_records(context, UNCONFIRMED, form, _list_unconfirmed(context, choice.sort).records)


def _list_unconfirmed(context: RequestContext, sort: str | None) -> ShortList[UnconfirmedRow]:
    with context.snapshot_transaction() as tx:
        rows = confirming.list_unconfirmed(tx, context.user.scope)
    return short_list(context, UNCONFIRMED, sort, rows, unconfirmed_records(rows))


@router.post("/new-ids/confirm")
def confirm(form: Annotated[_NamedForm, Form()], context: Administrator) -> Response:
    """Confirm a company or a clinic."""
    with context.transaction() as tx:
        confirming.confirm(tx, form.named, context.now, context.user.audit_name, context.user.scope)
    return context.redirect("/new-ids", f"{form.kind.capitalize()} {form.id} confirmed.")


@router.post("/new-ids/retire")
def retire(form: Annotated[_NamedForm, Form()], context: Administrator) -> Response:
    """Retire an empty company or clinic."""
    with context.transaction() as tx:
        confirming.retire(tx, form.named, context.now, context.user.audit_name, context.user.scope)
    return context.redirect(
        "/new-ids", f"{form.kind.capitalize()} {form.id} retired. Its next events will be Not Sent."
    )
