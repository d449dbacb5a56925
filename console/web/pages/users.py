"""The form of a user of the console: role, companies and clinics. For administrators."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from fastapi import APIRouter, Form, Query, Response
from pydantic import Field

from console.web.auth import Administrator
from console.web.context import RequestContext
from console.web.errors import PageError, capitalized
from console.web.filters import PageQuery, Text
from console.web.large_forms import LargeFormRoute
from console.web.pages.named_clinics import names_of
from payments.access import administration
from payments.access.authentication import NewPassword, UserError
from payments.access.passwords import PASSWORD_LENGTH_MIN
from payments.access.rights import RIGHTS_BY_ROLE, Role, User
from payments.contract.keys import ClinicKey
from payments.core.conflict import ChangedMeanwhileError
from payments.core.scope import Scope
from payments.journeys import configuring

router = APIRouter(include_in_schema=False, route_class=LargeFormRoute)

_Checkbox = Literal["on"] | None
_Names = Annotated[list[Text], Field(default_factory=list)]


class _NameForm(PageQuery):
    name: Text = ""


class _PasswordForm(_NameForm):
    password: str = Field(default="", repr=False)


@dataclass(frozen=True)
class _EnteredUser:
    """The values that were entered in the form of a user.

    `companies` and `clinics` hold the selected names. None means all companies or all clinics.
    """

    name: str
    role: Role
    companies: frozenset[str] | None
    clinics: frozenset[str] | None

    @classmethod
    def from_user(cls, user: User, names: Mapping[ClinicKey, str]) -> "_EnteredUser":
        """Return the values of a stored user."""
        scope = user.scope
        clinics = None if scope.clinics is None else frozenset(names[key] for key in names if scope.may_see(*key))
        return cls(user.name, user.role, scope.companies, clinics)


class _RoleForm(_NameForm):
    role: Role
    all_companies: _Checkbox = None
    company: _Names
    all_clinics: _Checkbox = None
    clinic: _Names

    def user(self) -> User:
        """Return a user with the entered role and scope. The clinics are the texts of the form, not yet looked up.

        Raises UserError if all and single companies are both selected or neither is, and the same for clinics.
        """
        companies = _selected_ids("company", "companies", self.company, everything=self.all_companies)
        clinics = _selected_ids("clinic", "clinics", self.clinic, everything=self.all_clinics)
        return User(self.name, self.role, Scope(companies, clinics))

    @property
    def entered(self) -> _EnteredUser:
        """The values as they were entered, even if they are invalid."""
        companies = None if self.all_companies and not self.company else frozenset(self.company)
        clinics = None if self.all_clinics and not self.clinic else frozenset(self.clinic)
        return _EnteredUser(self.name, self.role, companies, clinics)


class _ChangeForm(_RoleForm):
    # The values that the page showed; without them nothing is checked.
    seen_role: Role | None = None
    seen_all_companies: _Checkbox = None
    seen_company: _Names
    seen_all_clinics: _Checkbox = None
    seen_clinic_company: _Names
    seen_clinic: _Names

    @property
    def seen(self) -> User | None:
        """The role and scope that the page showed, as a user. None if the form does not contain them."""
        if self.seen_role is None:
            return None
        companies = None if self.seen_all_companies else frozenset(self.seen_company)
        if companies and self.seen_clinic_company:
            pairs = zip(self.seen_clinic_company, self.seen_clinic, strict=False)
            return User(self.name, self.seen_role, Scope.of_clinic_keys(companies, map(ClinicKey._make, pairs)))
        clinics = None if self.seen_all_clinics else frozenset(self.seen_clinic)
        return User(self.name, self.seen_role, Scope(companies, clinics))


class _NewUserForm(_RoleForm):
    password: str = Field(default="", repr=False)


@dataclass(frozen=True)
class _Refusal:
    """Entered values that were not saved, with the error.

    The error is that a field is wrong, or that another administrator has changed the user.
    """

    entered: _EnteredUser | None
    error: UserError | ChangedMeanwhileError

    @property
    def status(self) -> int:
        """The HTTP status of the response."""
        return 409 if isinstance(self.error, ChangedMeanwhileError) else 422

    @property
    def conflict(self) -> ChangedMeanwhileError | None:
        """The changes that another administrator has saved meanwhile."""
        return self.error if isinstance(self.error, ChangedMeanwhileError) else None

    @property
    def messages(self) -> dict[str, str]:
        """The messages by field. A message that concerns no single field has an empty key."""
        if isinstance(self.error, ChangedMeanwhileError):
            return {}
        return {self.error.field: capitalized(f"{self.error}.")}


@router.get("/user")
def show_user_form(choice: Annotated[_NameForm, Query()], context: Administrator) -> Response:
    """Show the form of a user. Without a name, show the form for a new user."""
    return _show_form(context, choice.name)


def _show_form(context: RequestContext, name: str, refusal: _Refusal | None = None) -> Response:
    with context.transaction() as tx:
        companies = [row.company for row in configuring.list_companies(tx, context.user.scope)]
        clinics = names_of(configuring.list_clinic_keys(tx, context.user.scope))
        try:
            row = administration.find_user(tx, context.user, name) if name else None
        except UserError as error:
            raise PageError(404, f"There is no user {name}.", "Choose a user from the list.") from error
    stored = row.user if row else User("", Role.FRONT_OFFICE, _first_scope(context, companies))
    return context.page(
        "user.html",
        refusal.status if refusal else 200,
        row=row,
        entered=(refusal and refusal.entered) or _EnteredUser.from_user(stored, clinics),
        companies=companies,
        clinics=clinics,
        roles=list(Role),
        rights=RIGHTS_BY_ROLE,
        password_length_min=PASSWORD_LENGTH_MIN,
        conflict=refusal.conflict if refusal else None,
        problems=refusal.messages if refusal else {},
    )


def _first_scope(context: RequestContext, companies: Sequence[str]) -> Scope:
    """Return the scope that the form of a new user shows: the administrator's only company, otherwise no companies."""
    is_only = len(companies) == 1 and context.user.scope.companies is not None
    return Scope(companies=frozenset(companies if is_only else ()))


@router.post("/users")
def add(form: Annotated[_NewUserForm, Form()], context: Administrator) -> Response:
    """Add a user. If a field is wrong, show the entered values with a message at the field (422)."""
    try:
        user = form.user()
        with context.transaction() as tx:
            administration.add_user(tx, context.user, user, NewPassword(form.password), context.now)
    except UserError as error:
        return _show_form(context, "", _Refusal(form.entered, error))
    return context.redirect("/users", f"User {user.name} added. At the first login the user chooses a new password.")


@router.post("/users/change")
def change(form: Annotated[_ChangeForm, Form()], context: Administrator) -> Response:
    """Change a user's role and scope. Raises UserError if it is the administrator's own account.

    If a field is wrong, the page shows the entered values with a message at the field (422). If another administrator
    has changed the user since the page was shown, nothing is saved. The page then lists these changes and keeps the
    entered values (409).
    """
    try:
        user = form.user()
        with context.transaction() as tx:
            administration.change_user(tx, context.user, user, context.now, form.seen)
    except (ChangedMeanwhileError, UserError) as error:
        if isinstance(error, UserError) and not error.field:
            raise
        return _show_form(context, form.name, _Refusal(form.entered, error))
    return context.redirect("/users", f"Role, companies and clinics of user {user.name} changed.")


@router.post("/users/disable")
def disable(form: Annotated[_NameForm, Form()], context: Administrator) -> Response:
    """Disable a user immediately. Raises UserError if it is the administrator's own account."""
    with context.transaction() as tx:
        administration.disable_user(tx, context.user, form.name, context.now)
    return context.redirect("/users", f"User {form.name} disabled. All sessions and tokens have ended.")


@router.post("/users/enable")
def enable(form: Annotated[_NameForm, Form()], context: Administrator) -> Response:
    """Enable a disabled user."""
    with context.transaction() as tx:
        administration.enable_user(tx, context.user, form.name, context.now)
    return context.redirect("/users", f"User {form.name} enabled. The user can log in again.")


@router.post("/users/password")
def set_password(form: Annotated[_PasswordForm, Form()], context: Administrator) -> Response:
    """Set a user's password, which the user must change at the next login.

    Raises UserError if it is the administrator's own account.
    """
    try:
        with context.transaction() as tx:
            administration.set_password(tx, context.user, form.name, NewPassword(form.password), context.now)
    except UserError as error:
        if not error.field:
            raise
        return _show_form(context, form.name, _Refusal(None, error))
    done = f"Password of user {form.name} set. All sessions and tokens have ended."
    return context.redirect("/users", f"{done} At the next login the user chooses a new one.")


def _selected_ids(field: str, what: str, ids: Sequence[str], *, everything: str | None) -> frozenset[str] | None:
    """Return the selected ids, or None if all are selected.

    Raises UserError if nothing is selected, or if both all and single ids are selected.
    """
    if bool(ids) == bool(everything):
        sentence = f"all {what} and single {what} are both selected" if ids else f"no {what} are selected"
        raise UserError(f"{sentence}; select either single {what} or all of them", field)
    return None if everything else frozenset(ids)
