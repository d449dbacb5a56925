"""Users: who may log in, as what, limited to which clinics. For admins."""

from fastapi import APIRouter, Response
from pydantic import TypeAdapter, ValidationError

from console.web.auth import Administrator
from console.web.context import RequestContext
from console.web.errors import PageError
from payments.access import authentication
from payments.access.authentication import Password, UserError
from payments.access.rights import RIGHTS, Right, Role, User
from payments.contract.fields import Identifier

router = APIRouter(include_in_schema=False)

_CLINICS = TypeAdapter(tuple[Identifier, ...])


@router.get("/users")
def show(context: Administrator) -> Response:
    """Show every user and what each role may do."""
    with context.app.transaction() as tx:
        rows = authentication.list_users(tx)
    return context.page("users.html", rows=rows, roles=list(Role), rights=list(Right), table=RIGHTS)


@router.post("/users")
def add(context: Administrator) -> Response:
    """Make a user."""
    user = _described(context)
    password = Password(str(context.form.get("password", "")))
    with context.app.transaction() as tx:
        authentication.add_user(tx, user, password, context.now, context.user.signature)
    return context.redirect("/users", f"User {user.name} can log in now.")


@router.post("/users/change")
def change(context: Administrator) -> Response:
    """Give a user another role or other clinics."""
    user = _described(context)
    if user.name == context.user.name:
        raise UserError("you cannot change your own role; ask another admin")
    with context.app.transaction() as tx:
        authentication.change_user(tx, user, context.now, context.user.signature)
    return context.redirect("/users", f"User {user.name} has this role and these clinics from now on.")


@router.post("/users/disable")
def disable(context: Administrator) -> Response:
    """Let a user no longer in."""
    name = str(context.form.get("name", ""))
    if name == context.user.name:
        raise UserError("you cannot disable yourself; ask another admin")
    with context.app.transaction() as tx:
        authentication.disable(tx, name, context.now, context.user.signature)
    return context.redirect("/users", f"User {name} is disabled; every session and token has ended.")


@router.post("/users/enable")
def enable(context: Administrator) -> Response:
    """Let a user in again."""
    name = str(context.form.get("name", ""))
    with context.app.transaction() as tx:
        authentication.enable(tx, name, context.now, context.user.signature)
    return context.redirect("/users", f"User {name} can log in again.")


@router.post("/users/password")
def set_password(context: Administrator) -> Response:
    """Give a user another password."""
    name = str(context.form.get("name", ""))
    password = Password(str(context.form.get("password", "")))
    with context.app.transaction() as tx:
        authentication.set_password(tx, name, password, context.now, context.user.signature)
    return context.redirect("/users", f"User {name} has another password; every session and token has ended.")


def _described(context: RequestContext) -> User:
    """Return the user that a form describes."""
    role = str(context.form.get("role", ""))
    if role not in {*Role}:
        raise PageError(422, "Choose a role.", "Go back and choose one.")
    return User(str(context.form.get("name", "")).strip(), Role(role), _limit(str(context.form.get("clinics", ""))))


def _limit(text: str) -> tuple[str, ...] | None:
    """Read the clinics that a user is limited to; None is no limit."""
    try:
        return _CLINICS.validate_python([name.strip() for name in text.split(",") if name.strip()]) or None
    except ValidationError:
        step = "Go back and correct it: an id is text of 1 to 64 printable characters."
        raise PageError(422, "One of the clinics is no clinic's id.", step) from None
