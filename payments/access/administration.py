"""Manage users on behalf of an administrator, who may be limited to companies.

An administrator of some companies manages the users who have no other companies, and cannot grant access to other
companies. An administrator of all companies manages every user. An administrator cannot see or change other users, but
can learn that a name is taken, because names are unique in the installation.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from payments.access import audit, authentication, users
from payments.access.audit import AuditFilter, AuditRow
from payments.access.grants import with_clinic_keys
from payments.access.passwords import NewPassword, UserError
from payments.access.rights import User
from payments.access.users import UserRow
from payments.core.scope import Scope
from payments.core.sorting import SORTED_ROWS_MAX, Sort, TooManyToSortError, Window
from payments.store.db.connection import Transaction
from payments.store.db.keyset import Page, read_window
from payments.store.reports.summary import Summary


def list_users(tx: Transaction, administrator: User) -> list[UserRow]:
    """Return the users whom an administrator may manage, by name."""
    return [row for row in users.list_all(tx) if administrator.scope.includes(row.user.scope)]


def find_user(tx: Transaction, administrator: User, name: str) -> UserRow:
    """Return a user. Raises UserError if the user does not exist or the administrator may not manage the user."""
    row = users.find(tx, name)
    if row is None or not administrator.scope.includes(row.user.scope):
        raise UserError(f"there is no user {name}")
    return row


def add_user(tx: Transaction, administrator: User, user: User, password: NewPassword, now: datetime) -> None:
    """Add a user, who must change the password at the next login. The scope may name a clinic as `company:clinic`.

    Raises UserError as `authentication.add_user` does. Also raises it if the user would see more than the
    administrator, or if a clinic is named without its company and several of the user's companies have it.
    """
    _check_may_grant(administrator.scope, user.scope)
    temporary = replace(password, is_temporary=True)
    authentication.add_user(tx, with_clinic_keys(tx, user), temporary, now, administrator.audit_name)


def change_user(tx: Transaction, administrator: User, user: User, now: datetime, seen: User | None) -> None:
    """Change the role and the scope of a user, effective immediately. Locks the user's row.

    The scope may name a clinic as `company:clinic`. `seen` is the user as the administrator saw it. Raises
    ChangedMeanwhileError if the stored user differs from `seen`. If `seen` is None, nothing is compared.

    Raises UserError for the administrator's own account, and for a user whose old or new scope exceeds the
    administrator's scope. Also raises the errors of `authentication.change_user` and `add_user`.
    """
    if _lock_managed(tx, administrator, user.name).name == administrator.name:
        raise UserError("you cannot change your own role; ask another administrator")
    _check_may_grant(administrator.scope, user.scope)
    authentication.change_user(tx, with_clinic_keys(tx, user), now, administrator.audit_name, seen)


def set_password(tx: Transaction, administrator: User, name: str, password: NewPassword, now: datetime) -> None:
    """Set a user's password, and end all sessions and tokens. The user must change the password at the next login.

    Locks the user's row. Raises UserError if there is no such user, or if `passwords.hash_password` refuses the
    password. Also raises it for the administrator's own account: use `own_account.change_password`.
    """
    if _lock_managed(tx, administrator, name).name == administrator.name:
        raise UserError("change your own password on the page Your account")
    authentication.set_password(tx, name, replace(password, is_temporary=True), now, administrator.audit_name)


def disable_user(tx: Transaction, administrator: User, name: str, now: datetime) -> None:
    """Disable a user immediately: end all sessions and tokens. Locks the user's row.

    Raises UserError if there is no such user, and for the administrator's own account.
    """
    if _lock_managed(tx, administrator, name).name == administrator.name:
        raise UserError("you cannot disable yourself; ask another administrator")
    authentication.disable_user(tx, name, now, administrator.audit_name)


def enable_user(tx: Transaction, administrator: User, name: str, now: datetime) -> None:
    """Enable a disabled user. Locks the user's row.

    Raises UserError if there is no such user, or if the user is not disabled.
    """
    _lock_managed(tx, administrator, name)
    authentication.enable_user(tx, name, now, administrator.audit_name)


def audit_page(
    tx: Transaction, administrator: User, query: AuditFilter, window: Window, sort: Sort = audit.NEWEST_FIRST
) -> Page[AuditRow]:
    """Return a page of the audit history, by default newest first. Raises TooManyToSortError.

    An administrator of some companies sees the actions of users who have no other companies. Actions from before a user
    got these companies are omitted, as are entries about another company.
    """
    visible = _visible_entries(administrator, query)
    if sort.column != audit.BY_TIME and not audit.summarize(tx, visible, SORTED_ROWS_MAX).is_complete:
        raise TooManyToSortError(sort)
    return read_window(window, lambda each: audit.read_page(tx, visible, each, sort))


def stream_audit(tx: Transaction, administrator: User, query: AuditFilter, sort: Sort) -> Iterator[AuditRow]:
    """Yield all entries of the audit history that `audit_page` shows."""
    return audit.stream(tx, _visible_entries(administrator, query), sort)


def summarize_audit(tx: Transaction, administrator: User, query: AuditFilter, limit: int | None = None) -> Summary:
    """Count the entries of the audit history that `audit_page` shows. With `limit`, stop after that many."""
    return audit.summarize(tx, _visible_entries(administrator, query), limit)


def _visible_entries(administrator: User, query: AuditFilter) -> AuditFilter:
    return replace(query, companies=administrator.scope.companies)


def _lock_managed(tx: Transaction, administrator: User, name: str) -> User:
    row = users.lock(tx, name)
    if row is None or not administrator.scope.includes(row.user.scope):
        raise UserError(f"there is no user {name}")
    return row.user


def _check_may_grant(own: Scope, granted: Scope) -> None:
    """Raise UserError unless an administrator's own scope includes the scope to grant.

    The message is the same for a company that does not exist and for a company that the administrator may not see.
    """
    if own.companies is None:
        return
    if granted.companies is None:
        raise UserError("your account does not include all companies; choose among your companies", "company")
    beyond = sorted(granted.companies - own.companies)
    if beyond:
        raise UserError(f"your account does not include company {', '.join(beyond)}", "company")
