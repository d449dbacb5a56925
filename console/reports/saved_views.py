"""The report of saved views."""

from __future__ import annotations

from typing import TYPE_CHECKING

from console.reports.definition import Column, ColumnKind, Report
from console.reports.output import Record

if TYPE_CHECKING:
    from payments.access.saved_views import SavedView

SAVED_VIEWS = Report(
    title="Saved views",
    columns=(
        Column("name", "Name", wraps=True),
        Column("list", "List"),
        Column("company", "Company", wraps=True),
        Column("owner", "Owner"),
        Column("visible_to", "Visible to"),
        Column("saved_at", "Saved", ColumnKind.MOMENT),
    ),
    table=("name", "list", "company", "owner", "visible_to", "saved_at"),
    noun="view",
    empty="No saved views yet. Filter a list and save the view there.",
)


def view_record(view: SavedView, list_title: str) -> Record:
    """Return a saved view as a record. `list_title` is the title of the list to which it belongs."""
    return {
        "name": view.name,
        "list": list_title,
        "company": view.company,
        "owner": view.owner,
        "visible_to": "company" if view.is_shared else "owner",
        "saved_at": view.saved_at,
    }
