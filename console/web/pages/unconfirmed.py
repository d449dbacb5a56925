"""Unconfirmed companies, clinics and patients, which events added. Confirm them, or retire an empty one."""

from typing import Annotated, Literal

from fastapi import APIRouter, Form, Response

from console.reports.unconfirmed import UNCONFIRMED
from console.web.auth import Administrator
from console.web.filters import PageQuery, Text
from payments.journeys import confirming
from payments.journeys.confirming import NamedClinic

router = APIRouter(include_in_schema=False)


class _NamedForm(PageQuery):
    kind: Literal["company", "clinic"]
    company: Text = ""
    id: Text = ""

    @property
    def named(self) -> NamedClinic:
        """The company or the clinic of the form."""
        return NamedClinic(self.company, self.id if self.kind == "clinic" else None)


@router.get("/new-ids")
def show(context: Administrator) -> Response:
    """Show the companies, clinics and patients that nobody confirmed, and the retired ones."""
    with context.snapshot_transaction() as tx:
        rows = confirming.list_unconfirmed(tx, context.user.scope)
    held = [confirming.describe_contents(row.contents) for row in rows]
    shown = list(zip(rows, held, strict=True))
    may_restore = confirming.may_restore(context.user.scope)
    return context.page("new_ids.html", report=UNCONFIRMED, rows=shown, may_restore=may_restore)


@router.post("/new-ids/confirm")
def confirm(form: Annotated[_NamedForm, Form()], context: Administrator) -> Response:
    """Confirm a company or a clinic."""
    with context.transaction() as tx:
        confirming.confirm(tx, form.named, context.now, context.user.signature, context.user.scope)
    return context.redirect("/new-ids", f"{form.kind.capitalize()} {form.id} confirmed.")


@router.post("/new-ids/retire")
def retire(form: Annotated[_NamedForm, Form()], context: Administrator) -> Response:
    """Retire an empty company or clinic."""
    with context.transaction() as tx:
        confirming.retire(tx, form.named, context.now, context.user.signature, context.user.scope)
    return context.redirect(
        "/new-ids", f"{form.kind.capitalize()} {form.id} retired. Its next events will be Not Sent."
    )
