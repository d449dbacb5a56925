"""The list of the users whom an administrator may manage, and the rights of each role."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from console.reports.users import USERS, user_records
from console.web.auth import Administrator
from console.web.context import RequestContext
from console.web.exporting import FileFormat, send_records
from console.web.filters import PageQuery, Text
from console.web.short_lists import ShortList, short_list
from payments.access import administration
from payments.access.authentication import UserRow
from payments.access.rights import RIGHTS_BY_ROLE, Right, Role

router = APIRouter(include_in_schema=False)


class _ListQuery(PageQuery):
    sort: Text | None = None


@router.get("/users")
def show(choice: Annotated[_ListQuery, Query()], context: Administrator) -> Response:
    """Show the users whom the administrator may manage, and the rights of each role."""
    found = _list_users(context, choice.sort)
    return context.page(
        "users.html",
        report=USERS,
        list=found.view,
        rows=found.rows,
        roles=list(Role),
        rights=list(Right),
        table=RIGHTS_BY_ROLE,
    )


@router.get("/users/export")
def export(
    choice: Annotated[_ListQuery, Query()], context: Administrator, form: FileFormat = FileFormat.CSV
) -> Response:
    """Export the users as a file."""
    return send_records(context, USERS, form, _list_users(context, choice.sort).records)


def _list_users(context: RequestContext, sort: str | None) -> ShortList[UserRow]:
    with context.transaction() as tx:
        rows = administration.list_users(tx, context.user)
    return short_list(context, USERS, sort, rows, user_records(rows))
