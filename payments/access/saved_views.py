"""Saved views: the filters and the sort of a list under a name, for the owner or for all users of a company."""

from dataclasses import dataclass
from datetime import datetime
from urllib.parse import parse_qsl

from payments.access.rights import Right, User
from payments.store.db.conditions import company_in_scope, scope_parameters
from payments.store.db.connection import Transaction
from payments.store.db.statement import text

NAME_CHARACTERS_MAX, QUERY_CHARACTERS_MAX = 60, 2_000
VIEWS_MAX = 200
"""The largest number of views that a user sees."""


@dataclass(frozen=True, slots=True)
class NewView:
    """A view to save. `list_name` is the name of the list. `query` is the query string of the list's address."""

    company_id: str
    list_name: str
    name: str
    query: str
    is_shared: bool


@dataclass(frozen=True, slots=True)
class SavedView:
    """A saved view. If `is_shared`, every user of the company sees it."""

    id: int
    company: str
    list_name: str
    name: str
    query: str
    owner: str
    is_shared: bool
    saved_at: datetime

    def may_be_deleted_by(self, user: User) -> bool:
        """Return whether a user may delete the view. Its owner may; administrators may if the view is shared."""
        return self.owner == user.name or (self.is_shared and user.may(Right.ADMINISTER))


def _may_see_clinic(user: User, view: SavedView) -> bool:
    clinic = dict(parse_qsl(view.query)).get("clinic")
    return clinic is None or view.owner == user.name or user.scope.may_see(view.company, clinic)


_VIEW_COLUMNS = "id, company_id AS company, list_name, name, query, owner, is_shared, saved_at"


def list_visible(tx: Transaction, user: User, list_name: str | None = None) -> list[SavedView]:
    """Return the views that a user sees, sorted by name: the user's own, and those shared with the user's companies.

    If `list_name` is given, return only views of this list. Shared views of a clinic that the user may not see are
    omitted.
    """
    of_list = "" if list_name is None else "AND list_name = :list_name"
    selected = f"SELECT {_VIEW_COLUMNS} FROM saved_views {_where_visible(user)} {of_list}"
    query = f"{selected} ORDER BY lower(name), id LIMIT {VIEWS_MAX}"
    return _read_views(tx, user, query, {"list_name": list_name})


def find(tx: Transaction, user: User, view_id: int) -> SavedView | None:
    """Return the view with this id, or None if the user does not see it."""
    query = f"SELECT {_VIEW_COLUMNS} FROM saved_views {_where_visible(user)} AND id = :id"
    found = _read_views(tx, user, query, {"id": view_id})
    return found[0] if found else None


def save(tx: Transaction, user: User, view: NewView, now: datetime) -> None:
    """Save a view of one of the user's companies. An earlier view of the user with this list and name is replaced."""
    tx.execute(
        text(
            "INSERT INTO saved_views (company_id, list_name, name, query, owner, is_shared, saved_at) "
            "VALUES (:company_id, :list_name, :name, :query, :owner, :is_shared, :now) "
            "ON CONFLICT (company_id, owner, list_name, name) "
            "DO UPDATE SET query = excluded.query, is_shared = excluded.is_shared, saved_at = excluded.saved_at"
        ),
        {name: getattr(view, name) for name in view.__slots__} | {"owner": user.name, "now": now},
    )


def delete(tx: Transaction, view: SavedView) -> None:
    """Delete a view."""
    tx.execute(
        text("DELETE FROM saved_views WHERE company_id = :company AND id = :id"),
        {"company": view.company, "id": view.id},
    )


def _where_visible(user: User) -> str:
    return f"WHERE (owner = :user OR is_shared){company_in_scope(user.scope, 'saved_views')}"


def _read_views(tx: Transaction, user: User, query: str, parameters: dict[str, object]) -> list[SavedView]:
    given = parameters | {"user": user.name} | scope_parameters(user.scope)
    found = [SavedView(**row) for row in tx.execute(text(query), given).mappings()]
    return [view for view in found if _may_see_clinic(user, view)]
