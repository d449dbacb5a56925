"""Users: who may log in, with which role and for which clinics. For administrators."""

from typing import Annotated

from fastapi import APIRouter, Form, Response
from pydantic import Field, TypeAdapter, ValidationError

from console.reports.users import USERS
from console.web.auth import Administrator
from console.web.context import RequestContext
from console.web.errors import PageError
from console.web.filters import PageQuery, Text
from payments.access import authentication
from payments.access.authentication import NewPassword, UserError
from payments.access.passwords import PASSWORD_LENGTH_MIN
from payments.access.rights import RIGHTS, Right, Role, User
from payments.contract.fields import Identifier
from payments.core.conflict import ChangedMeanwhileError
from payments.core.scope import Scope

router = APIRouter(include_in_schema=False)

_CLINICS = TypeAdapter(tuple[Identifier, ...])


class _NameForm(PageQuery):
    name: Text = ""


class _PasswordForm(_NameForm):
    password: str = Field(default="", repr=False)


class _RoleForm(_NameForm):
    role: Role
    clinics: str = ""

    def user(self) -> User:
        """Return the user with this role and these clinics."""
        return User(self.name, self.role, Scope(clinics=_read_clinics(self.clinics)))


class _ChangeForm(_RoleForm):
    # What the page showed; a page without them is not checked.
    seen_role: Role | None = None
    seen_clinics: str = ""

    @property
    def seen(self) -> User | None:
        """The user's role and clinics that the page showed."""
        return (
            User(self.name, self.seen_role, Scope(clinics=_read_clinics(self.seen_clinics))) if self.seen_role else None
        )


class _NewUserForm(_RoleForm):
    password: str = Field(default="", repr=False)


@router.get("/users")
def show(context: Administrator) -> Response:
    """Show every user and the rights of each role."""
    return _show(context)


def _show(
    context: RequestContext, chosen: User | None = None, conflict: ChangedMeanwhileError | None = None
) -> Response:
    with context.app.transaction() as tx:
        rows = authentication.list_users(tx)
    return context.page(
        "users.html",
        409 if conflict else 200,
        report=USERS,
        rows=rows,
        roles=list(Role),
        rights=list(Right),
        table=RIGHTS,
        password_length_min=PASSWORD_LENGTH_MIN,
        chosen=chosen,
        conflict=conflict,
    )


@router.post("/users")
def add(form: Annotated[_NewUserForm, Form()], context: Administrator) -> Response:
    """Add a user."""
    user = form.user()
    with context.app.transaction() as tx:
        authentication.add_user(tx, user, NewPassword(form.password), context.now, context.user.signature)
    return context.redirect("/users", f"User {user.name} added. The user can log in now.")


@router.post("/users/change")
def change(form: Annotated[_ChangeForm, Form()], context: Administrator) -> Response:
    """Change a user's role and clinics. Raises UserError for one's own account.

    If another administrator has changed the user since the page was shown, nothing is saved. The page then lists these
    changes and keeps the entered values (409).
    """
    user = form.user()
    if user.name == context.user.name:
        raise UserError("you cannot change your own role; ask another administrator")
    try:
        with context.app.transaction() as tx:
            authentication.change_user(tx, user, context.now, context.user.signature, form.seen)
    except ChangedMeanwhileError as error:
        return _show(context, user, error)
    return context.redirect("/users", f"Role and clinics of user {user.name} changed.")


@router.post("/users/disable")
def disable(form: Annotated[_NameForm, Form()], context: Administrator) -> Response:
    """Disable a user immediately. Raises UserError for one's own account."""
    if form.name == context.user.name:
        raise UserError("you cannot disable yourself; ask another administrator")
    with context.app.transaction() as tx:
        authentication.disable_user(tx, form.name, context.now, context.user.signature)
    return context.redirect("/users", f"User {form.name} disabled. All sessions and tokens have ended.")


@router.post("/users/enable")
def enable(form: Annotated[_NameForm, Form()], context: Administrator) -> Response:
    """Enable a disabled user."""
    with context.app.transaction() as tx:
        authentication.enable_user(tx, form.name, context.now, context.user.signature)
    return context.redirect("/users", f"User {form.name} enabled. The user can log in again.")


@router.post("/users/password")
def set_password(form: Annotated[_PasswordForm, Form()], context: Administrator) -> Response:
    """Set a user's password."""
    with context.app.transaction() as tx:
        authentication.set_password(tx, form.name, NewPassword(form.password), context.now, context.user.signature)
    return context.redirect("/users", f"Password of user {form.name} changed. All sessions and tokens have ended.")


def _read_clinics(text: str) -> frozenset[str] | None:
    """Read clinic ids separated by commas; None means all clinics. Raises PageError (422) for an invalid id."""
    try:
        return frozenset(_CLINICS.validate_python([name.strip() for name in text.split(",") if name.strip()])) or None
    except ValidationError:
        step = "A clinic id has 1 to 64 printable characters, without white space at its ends. Go back and correct it."
        raise PageError(422, "One of the clinic ids is invalid.", step) from None
