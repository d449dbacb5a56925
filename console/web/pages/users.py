"""Users: who may log in, as what, limited to which clinics. For admins."""

from fastapi import APIRouter, Response
from pydantic import TypeAdapter, ValidationError

from console.web.visiting import Administrator, PageError, Visit
from payments.access import authentication
from payments.access.authentication import Password, UserError
from payments.access.rights import RIGHTS, Right, Role, User
from payments.contract.fields import Identifier

router = APIRouter(include_in_schema=False)

_CLINICS = TypeAdapter(tuple[Identifier, ...])


@router.get("/users")
def show(visit: Administrator) -> Response:
    """Show every user and what each role may do."""
    with visit.site.ledger() as tx:
        rows = authentication.list_users(tx)
    return visit.page("users.html", rows=rows, roles=list(Role), rights=list(Right), table=RIGHTS)


@router.post("/users")
def add(visit: Administrator) -> Response:
    """Make a user."""
    user = _described(visit)
    password = Password(str(visit.form.get("password", "")))
    with visit.site.ledger() as tx:
        authentication.add_user(tx, user, password, visit.now, visit.user.signature)
    return visit.go("/users", f"User {user.name} can log in now.")


@router.post("/users/change")
def change(visit: Administrator) -> Response:
    """Give a user another role or other clinics."""
    user = _described(visit)
    if user.name == visit.user.name:
        raise UserError("you cannot change your own role; ask another admin")
    with visit.site.ledger() as tx:
        authentication.change_user(tx, user, visit.now, visit.user.signature)
    return visit.go("/users", f"User {user.name} has this role and these clinics from now on.")


@router.post("/users/disable")
def disable(visit: Administrator) -> Response:
    """Let a user no longer in."""
    name = str(visit.form.get("name", ""))
    if name == visit.user.name:
        raise UserError("you cannot disable yourself; ask another admin")
    with visit.site.ledger() as tx:
        authentication.disable(tx, name, visit.now, visit.user.signature)
    return visit.go("/users", f"User {name} is disabled; every session and token has ended.")


@router.post("/users/enable")
def enable(visit: Administrator) -> Response:
    """Let a user in again."""
    name = str(visit.form.get("name", ""))
    with visit.site.ledger() as tx:
        authentication.enable(tx, name, visit.now, visit.user.signature)
    return visit.go("/users", f"User {name} can log in again.")


@router.post("/users/password")
def set_password(visit: Administrator) -> Response:
    """Give a user another password."""
    name = str(visit.form.get("name", ""))
    password = Password(str(visit.form.get("password", "")))
    with visit.site.ledger() as tx:
        authentication.set_password(tx, name, password, visit.now, visit.user.signature)
    return visit.go("/users", f"User {name} has another password; every session and token has ended.")


def _described(visit: Visit) -> User:
    """Return the user that a form describes."""
    role = str(visit.form.get("role", ""))
    if role not in {*Role}:
        raise PageError(422, "Choose a role.", "Go back and choose one.")
    return User(str(visit.form.get("name", "")).strip(), Role(role), _limit(str(visit.form.get("clinics", ""))))


def _limit(text: str) -> tuple[str, ...] | None:
    """Read the clinics that a user is limited to; None is no limit."""
    try:
        return _CLINICS.validate_python([name.strip() for name in text.split(",") if name.strip()]) or None
    except ValidationError:
        step = "Go back and correct it: an id is text of 1 to 64 printable characters."
        raise PageError(422, "One of the clinics is no clinic's id.", step) from None
