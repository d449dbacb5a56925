"""Manage users on behalf of an administrator, who may be limited to companies.

A company's administrator manages the users all of whose companies are among the administrator's own, and grants nothing
beyond these. An administrator of all companies manages every user. An administrator cannot see or change a user whom
they may not manage. They can only notice one, because names are unique in the installation: a taken name is refused.
"""

from dataclasses import replace
from datetime import datetime

from payments.access import authentication, users
from payments.access.audit import AuditFilter, AuditRow
from payments.access.grants import with_clinic_keys
from payments.access.passwords import NewPassword, UserError
from payments.access.rights import User
from payments.access.users import UserRow
from payments.core.scope import Scope
from payments.store.db.connection import Transaction


def list_users(tx: Transaction, administrator: User) -> list[UserRow]:
    """Return the users whom an administrator may manage, by name."""
    return [row for row in users.list_all(tx) if administrator.scope.includes(row.user.scope)]


def find_user(tx: Transaction, administrator: User, name: str) -> UserRow:
    """Return a user. Raises UserError if there is no such user whom the administrator may manage."""
    row = users.find(tx, name)
    if row is None or not administrator.scope.includes(row.user.scope):
        raise UserError(f"there is no user {name}")
    return row


def add_user(tx: Transaction, administrator: User, user: User, password: NewPassword, now: datetime) -> None:
    """Add a user, whose scope may name a clinic as `company:clinic`.

    Raises UserError as `authentication.add_user` does, if the user would see more than the administrator, or if several
    of the user's companies have a clinic that is named without its company.
    """
    _check_may_grant(administrator.scope, user.scope)
    authentication.add_user(tx, with_clinic_keys(tx, user), password, now, administrator.signature)


def change_user(tx: Transaction, administrator: User, user: User, now: datetime, seen: User | None) -> None:
    """Change the role and the scope of a user, effective immediately. Locks the user's row.

    The scope may name a clinic as `company:clinic`. `seen` is the user as the administrator saw it before. Raises
    ChangedMeanwhileError if the user is not as `seen`. Raises UserError for the administrator's own account, for a user
    whose scope was or would be beyond the administrator's, and in the cases of `authentication.change_user` and
    `add_user`.
    """
    if user.name == administrator.name:
        raise UserError("you cannot change your own role; ask another administrator")
    _lock_managed(tx, administrator, user.name)
    _check_may_grant(administrator.scope, user.scope)
    authentication.change_user(tx, with_clinic_keys(tx, user), now, administrator.signature, seen)


def set_password(tx: Transaction, administrator: User, name: str, password: NewPassword, now: datetime) -> None:
    """Set a user's password, and end all sessions and tokens of the user. Locks the user's row.

    Raises UserError if there is no such user, or if the password cannot be used.
    """
    _lock_managed(tx, administrator, name)
    authentication.set_password(tx, name, password, now, administrator.signature)


def disable_user(tx: Transaction, administrator: User, name: str, now: datetime) -> None:
    """Disable a user immediately: end all sessions and tokens. Locks the user's row.

    Raises UserError if there is no such user, and for the administrator's own account.
    """
    if name == administrator.name:
        raise UserError("you cannot disable yourself; ask another administrator")
    _lock_managed(tx, administrator, name)
    authentication.disable_user(tx, name, now, administrator.signature)


def enable_user(tx: Transaction, administrator: User, name: str, now: datetime) -> None:
    """Enable a disabled user. Locks the user's row. Raises UserError if there is no such user who is disabled."""
    _lock_managed(tx, administrator, name)
    authentication.enable_user(tx, name, now, administrator.signature)


def read_audit(tx: Transaction, administrator: User, query: AuditFilter, limit: int) -> list[AuditRow]:
    """Return up to `limit` entries of the audit history, newest first.

    An administrator of certain companies sees entries of users who have only these companies, from the time at which
    each user was given them. Entries that concern another company are omitted.
    """
    return authentication.read_audit(tx, replace(query, companies=administrator.scope.companies), limit)


def _lock_managed(tx: Transaction, administrator: User, name: str) -> None:
    row = users.lock(tx, name)
    if row is None or not administrator.scope.includes(row.user.scope):
        raise UserError(f"there is no user {name}")


def _check_may_grant(own: Scope, granted: Scope) -> None:
    """Raise UserError if a scope exceeds an administrator's own. Unknown companies are named like foreign ones."""
    if own.companies is None:
        return
    if granted.companies is None:
        raise UserError("your account does not include all companies; choose among your companies")
    beyond = sorted(granted.companies - own.companies)
    if beyond:
        raise UserError(f"your account does not include company {', '.join(beyond)}")
