"""A user's own account: change the password, list and end sessions. Each change is recorded in the audit history."""

from dataclasses import dataclass, field
from datetime import datetime

from payments.access import audit, sessions, users
from payments.access.audit import AuditEntry
from payments.access.login_attempts import LoginAttempt, blocked_message, count_failure, is_password_correct
from payments.access.passwords import NewPassword, UserError, hash_password
from payments.access.rights import User
from payments.access.sessions import SessionRow, SessionUse
from payments.access.users import UserRow
from payments.store.db.connection import Transaction

__all__ = ["PasswordChange", "SessionRow", "change_password", "end_session", "list_sessions", "load"]


@dataclass(frozen=True, slots=True)
class PasswordChange:
    """A user's request to replace their own password. `token` is the secret of the browser session that sent it."""

    user: User
    token: str = field(repr=False)
    old: str = field(repr=False)
    new: NewPassword
    address: str


def change_password(tx: Transaction, change: PasswordChange, now: datetime) -> UserError | None:
    """Replace a user's password, and end the user's other browser sessions. API tokens stay valid.

    Returns None, or the error if nothing was changed: too many wrong passwords, a wrong old password, or a new password
    that equals the old one or that `hash_password` refuses. A wrong old password counts as a failed login, so the
    caller must commit even after an error. Locks the user's row.
    """
    name = change.user.name
    attempt = LoginAttempt(name, change.old, change.address, change.new.cost)
    if message := blocked_message(tx, attempt, now):
        return UserError(message.removesuffix("."), "old_password")
    row = users.lock(tx, name)
    if not is_password_correct(row, attempt):
        count_failure(tx, attempt, now)
        audit.add(tx, AuditEntry(now, change.user.audit_name, "password change refused", name, address=change.address))
        return UserError("this is not your current password", "old_password")
    if change.new.text == change.old:
        return UserError("the new password is the same as the current one", "password")
    try:
        password_hash = hash_password(change.new, name)
    except UserError as error:
        return error
    users.reset_failures(tx, attempt.subjects[0])
    users.set_password(tx, name, password_hash, must_change=False)
    sessions.end_others(tx, name, change.token)
    audit.add(tx, AuditEntry(now, change.user.audit_name, "own password changed", name, address=change.address))
    return None


def load(tx: Transaction, user: User) -> UserRow:
    """Return the stored row of a user. Raises UserError if the user no longer exists."""
    row = users.find(tx, user.name)
    if row is None:
        raise UserError(f"there is no user {user.name}")
    return row


def list_sessions(tx: Transaction, user: User, use: SessionUse) -> list[SessionRow]:
    """Return the user's valid sessions and tokens, most recently used first."""
    return sessions.list_by_user(tx, user.name, use)


def end_session(tx: Transaction, user: User, reference: str, now: datetime) -> str | None:
    """End one of the user's sessions or tokens. Return its kind, or None if it does not exist."""
    kind = sessions.end_by_reference(tx, user.name, reference)
    if kind:
        audit.add(tx, AuditEntry(now, user.audit_name, f"own {kind} ended", user.name))
    return kind
