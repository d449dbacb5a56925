"""Users, logins, sessions and API tokens. Every change is recorded in the audit history."""

import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from payments.access import audit, sessions, users
from payments.access.audit import AuditEntry
from payments.access.grants import check_grant, choose_clinics, describe_scope
from payments.access.login_attempts import LoginAttempt, blocked_message, count_failure, is_password_correct
from payments.access.passwords import HashCost, NewPassword, UserError, hash_password
from payments.access.rights import User
from payments.access.sessions import AuthenticatedUser, Credential, NewSession, SessionUse
from payments.access.users import UserRow
from payments.core.conflict import ChangedMeanwhileError
from payments.store.db.connection import Transaction

__all__ = [
    "AuditEntry",
    "AuthenticatedUser",
    "Credential",
    "HashCost",
    "LoginAttempt",
    "NewPassword",
    "SessionUse",
    "UserError",
    "UserRow",
    "choose_clinics",
    "describe_scope",
]

TOKEN_LIFETIME = timedelta(days=365)
_NAME_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")


@dataclass(frozen=True, slots=True)
class LoginResult:
    """The result of a login: the token of the new session and the user's name, or the message that refuses the login.

    The token of a refused login is None.
    """

    token: str | None = field(repr=False)
    message: str = ""
    name: str = ""


def add_user(tx: Transaction, user: User, password: NewPassword, now: datetime, who: str) -> None:
    """Add a user.

    Raises UserError if the name is invalid or taken, if `hash_password` refuses the password, or if `check_grant`
    refuses the scope.
    """
    if not _NAME_PATTERN.fullmatch(user.name):
        raise UserError("a name is 1 to 64 letters, digits, dots, hyphens, underscores or @", "name")
    check_grant(tx, user)
    if not users.add(tx, user, hash_password(password, user.name), now, who):
        existing = users.find(tx, user.name)
        raise UserError(f"user {existing.user.name if existing else user.name} already exists", "name")
    if password.is_temporary:
        users.require_password_change(tx, user.name)
    audit.add(tx, AuditEntry(now, who, "user added", user.name, _describe_rights(user)))


def change_user(tx: Transaction, user: User, now: datetime, who: str, seen: User | None = None) -> None:
    """Change the role and the scope of a user, effective immediately. Locks the user's row.

    `seen` is the user as the caller saw it. Raises ChangedMeanwhileError if the stored user differs from `seen`. If
    `seen` is None, nothing is compared. Raises UserError if there is no such user, or if `check_grant` refuses the
    scope.
    """
    before = lock_user(tx, user.name)
    user = replace(user, name=before.name)
    check_grant(tx, user)
    if seen is not None and replace(seen, name=before.name) != before:
        changes = f"{_describe_rights(seen)} to {_describe_rights(before)}"
        raise ChangedMeanwhileError(f"user {user.name}", changes)
    if user != before:
        users.change(tx, user, now)
        change = f"{_describe_rights(before)} to {_describe_rights(user)}"
        audit.add(tx, AuditEntry(now, who, "user changed", user.name, change))


def set_password(tx: Transaction, name: str, password: NewPassword, now: datetime, who: str) -> None:
    """Set a user's password, and end all sessions and tokens of the user.

    Raises UserError if there is no such user, or if `hash_password` refuses the password.
    """
    name = find_user(tx, name).name
    users.set_password(tx, name, hash_password(password, name), must_change=password.is_temporary)
    sessions.end_all(tx, name)
    audit.add(tx, AuditEntry(now, who, "password set", name))


def disable_user(tx: Transaction, name: str, now: datetime, who: str) -> None:
    """Disable a user immediately: end all sessions and tokens. Raises UserError if there is no such user."""
    name = find_user(tx, name).name
    users.disable(tx, name, now)
    sessions.end_all(tx, name)
    audit.add(tx, AuditEntry(now, who, "user disabled", name))


def enable_user(tx: Transaction, name: str, now: datetime, who: str) -> None:
    """Enable a disabled user. Earlier sessions and tokens stay invalid.

    Raises UserError if there is no such user, or if the user is not disabled.
    """
    row = _load(tx, name)
    if row.disabled_at is None:
        raise UserError(f"user {row.user.name} is not disabled")
    users.enable(tx, row.user.name)
    audit.add(tx, AuditEntry(now, who, "user enabled", row.user.name))


def find_user(tx: Transaction, name: str) -> User:
    """Return a user. Raises UserError if there is no such user."""
    return _load(tx, name).user


def lock_user(tx: Transaction, name: str) -> User:
    """Lock a user until the transaction ends, and return the user. Raises UserError if there is no such user."""
    row = users.lock(tx, name)
    if row is None:
        raise UserError(f"there is no user {name}")
    return row.user


def count_sessions(tx: Transaction, name: str, now: datetime) -> int:
    """Return the number of a user's sessions and tokens that have not expired. Raises UserError for an unknown user."""
    return sessions.count_by_user(tx, find_user(tx, name).name, now)


def list_users(tx: Transaction) -> list[UserRow]:
    """Return all users, by name."""
    return users.list_all(tx)


def has_no_users(tx: Transaction) -> bool:
    """Return whether no user exists yet."""
    return users.is_empty(tx)


def log_in(tx: Transaction, attempt: LoginAttempt, now: datetime, lifetime: timedelta) -> LoginResult:
    """Start a browser session if the name and the password are correct. Return its token or the error message.

    `lifetime` is the time after which the session ends even if it is used. Failed logins are counted by name and by
    address, and delay further logins. So the caller must commit even if the login is refused.
    """
    if message := blocked_message(tx, attempt, now):
        return LoginResult(None, message)
    row = users.find(tx, attempt.name)
    if not is_password_correct(row, attempt) or row is None:
        count_failure(tx, attempt, now)
        audit.add(tx, AuditEntry(now, "nobody", "login failed", attempt.name[:64], address=attempt.address))
        return LoginResult(None, "Incorrect name or password.")
    users.reset_failures(tx, attempt.subjects[0])
    token, name = secrets.token_urlsafe(32), row.user.name
    sessions.start(tx, name, NewSession(token, "session", now, now + lifetime, attempt.address))
    audit.add(tx, AuditEntry(now, row.user.audit_name, "logged in", address=attempt.address))
    return LoginResult(token, name=name)


def log_out(tx: Transaction, token: str, user: User, now: datetime) -> None:
    """End a session."""
    sessions.end(tx, token)
    audit.add(tx, AuditEntry(now, user.audit_name, "logged out"))


def create_token(tx: Transaction, name: str, now: datetime, who: str) -> str:
    """Create an API token with the rights of this user, and return the token. It is valid for a year.

    Raises UserError if there is no such user, or if the user is disabled.
    """
    row = _load(tx, name)
    if row.disabled_at:
        raise UserError(f"user {row.user.name} is disabled")
    token = secrets.token_urlsafe(32)
    sessions.start(tx, row.user.name, NewSession(token, "token", now, now + TOKEN_LIFETIME))
    audit.add(tx, AuditEntry(now, who, "API token created", row.user.name))
    return token


def authenticate(tx: Transaction, credential: Credential, use: SessionUse) -> AuthenticatedUser | None:
    """Return the user of a session or token, and record the use. Return None if the session or token is not valid."""
    return sessions.authenticate(tx, credential, use)


def find_user_of_expired_session(tx: Transaction, token: str) -> str | None:
    """Return the name of the user of an expired browser session. Call it after `authenticate` has refused the session.

    Returns None for any other token.
    """
    return sessions.find_user_of_expired(tx, token)


def record_audit(tx: Transaction, entry: AuditEntry) -> None:
    """Add an entry to the audit history."""
    audit.add(tx, entry)


def audited_actions(tx: Transaction) -> Sequence[str]:
    """Return the distinct actions of recent audit entries, sorted, for a filter."""
    return audit.recent_actions(tx)


def _describe_rights(user: User) -> str:
    return f"{user.role}, {describe_scope(user.scope)}"


def _load(tx: Transaction, name: str) -> UserRow:
    row = users.find(tx, name)
    if row is None:
        raise UserError(f"there is no user {name}")
    return row
