"""Users, logins, sessions and API tokens. Every change is recorded in the audit history."""

import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from payments.access import audit, users
from payments.access.audit import AuditEntry, AuditFilter, AuditRow
from payments.access.grants import check_grant, choose_clinics, describe_scope
from payments.access.passwords import (
    DEFAULT_COST,
    HashCost,
    NewPassword,
    UserError,
    dummy_hash,
    hash_password,
    verify_password,
)
from payments.access.rights import LoginDelays, User
from payments.access.users import NewSession, UserRow
from payments.core.conflict import ChangedMeanwhileError
from payments.store.db.connection import Transaction

__all__ = [
    "AuditEntry",
    "AuditFilter",
    "AuditRow",
    "HashCost",
    "NewPassword",
    "UserError",
    "UserRow",
    "choose_clinics",
    "describe_scope",
]

TOKEN_LIFETIME = timedelta(days=365)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
_DELAYS_BY_NAME, _DELAYS_BY_ADDRESS = LoginDelays(), LoginDelays(free=20)


@dataclass(frozen=True, slots=True)
class LoginAttempt:
    """A name and a password, submitted from an IP address.

    For an unknown name a dummy hash is verified at `cost`, so that the response time does not reveal it.
    """

    name: str
    password: str = field(repr=False)
    address: str
    cost: HashCost = DEFAULT_COST


@dataclass(frozen=True, slots=True)
class LoginResult:
    """The token of the new session, or the message that says why the login was refused."""

    token: str | None = field(repr=False)
    message: str = ""


def add_user(tx: Transaction, user: User, password: NewPassword, now: datetime, who: str) -> None:
    """Add a user.

    Raises UserError if the name is invalid or taken, the password cannot be used, or the scope is refused by
    `grants.check_grant`.
    """
    if not _NAME.fullmatch(user.name):
        raise UserError("a name is 1 to 64 letters, digits, dots, hyphens, underscores or @")
    check_grant(tx, user)
    if not users.add(tx, user, hash_password(password), now, who):
        raise UserError(f"user {user.name} already exists")
    audit.add(tx, AuditEntry(now, who, "user added", user.name, _describe_rights(user)))


def change_user(tx: Transaction, user: User, now: datetime, who: str, seen: User | None = None) -> None:
    """Change the role and the scope of a user, effective immediately. Locks the user's row.

    `seen` is the user as the caller saw it before; None skips the comparison. Raises UserError if there is no such
    user, or if the scope is refused by `grants.check_grant`. Raises ChangedMeanwhileError if the user is not as `seen`.
    """
    before = lock_user(tx, user.name)
    check_grant(tx, user)
    if seen is not None and seen != before:
        changes = f"{_describe_rights(seen)} to {_describe_rights(before)}"
        raise ChangedMeanwhileError(f"user {user.name}", changes)
    if user != before:
        users.change(tx, user, now)
        change = f"{_describe_rights(before)} to {_describe_rights(user)}"
        audit.add(tx, AuditEntry(now, who, "user changed", user.name, change))


def set_password(tx: Transaction, name: str, password: NewPassword, now: datetime, who: str) -> None:
    """Set a user's password, and end all sessions and tokens of the user.

    Raises UserError if there is no such user, or if the password cannot be used.
    """
    _load(tx, name)
    users.set_password(tx, name, hash_password(password))
    audit.add(tx, AuditEntry(now, who, "password set", name))


def disable_user(tx: Transaction, name: str, now: datetime, who: str) -> None:
    """Disable a user immediately: end all sessions and tokens. Raises UserError if there is no such user."""
    _load(tx, name)
    users.disable(tx, name, now)
    audit.add(tx, AuditEntry(now, who, "user disabled", name))


def enable_user(tx: Transaction, name: str, now: datetime, who: str) -> None:
    """Enable a disabled user. Earlier sessions and tokens stay invalid.

    Raises UserError if there is no such user, or if the user is not disabled.
    """
    if _load(tx, name).disabled_at is None:
        raise UserError(f"user {name} is not disabled")
    users.enable(tx, name)
    audit.add(tx, AuditEntry(now, who, "user enabled", name))


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
    """Return how many sessions and tokens of a user are valid. Raises UserError if there is no such user."""
    _load(tx, name)
    return users.count_sessions_of(tx, name, now)


def list_users(tx: Transaction) -> list[UserRow]:
    """Return every user, by name."""
    return users.list_all(tx)


def has_no_users(tx: Transaction) -> bool:
    """Return whether no user exists yet."""
    return users.is_empty(tx)


def log_in(tx: Transaction, attempt: LoginAttempt, now: datetime, lifetime: timedelta) -> LoginResult:
    """Start a browser session if the name and the password are correct.

    Failed logins are counted by name and by address, and delay further logins. The caller commits in either case.
    """
    subjects = (f"name:{attempt.name[:64]}", f"address:{attempt.address}")
    if until := users.blocked_until(tx, subjects, now):
        seconds = max(1, round((until - now).total_seconds()))
        return LoginResult(None, f"Too many failed logins. Try again in {seconds} seconds.")
    if not _is_password_correct(users.find(tx, attempt.name), attempt):
        for subject, delays in zip(subjects, (_DELAYS_BY_NAME, _DELAYS_BY_ADDRESS), strict=True):
            users.count_failure(tx, subject, delays, now)
        audit.add(tx, AuditEntry(now, "nobody", "login failed", attempt.name[:64], address=attempt.address))
        return LoginResult(None, "Incorrect name or password.")
    users.reset_failures(tx, subjects[0])
    token = secrets.token_urlsafe(32)
    users.start_session(tx, attempt.name, NewSession(token, "session", now, now + lifetime))
    audit.add(tx, AuditEntry(now, f"user:{attempt.name}", "logged in", address=attempt.address))
    return LoginResult(token)


def log_out(tx: Transaction, token: str, user: User, now: datetime) -> None:
    """End a session."""
    users.end_session(tx, token)
    audit.add(tx, AuditEntry(now, user.signature, "logged out"))


def create_token(tx: Transaction, name: str, now: datetime, who: str) -> str:
    """Create an API token with the rights of this user, valid for a year, and return it.

    Raises UserError if there is no such user, or if the user is disabled.
    """
    if _load(tx, name).disabled_at:
        raise UserError(f"user {name} is disabled")
    token = secrets.token_urlsafe(32)
    users.start_session(tx, name, NewSession(token, "token", now, now + TOKEN_LIFETIME))
    audit.add(tx, AuditEntry(now, who, "API token created", name))
    return token


def authenticate(tx: Transaction, token: str, kind: str, now: datetime) -> User | None:
    """Return the user of a token, or None if it is invalid. `kind` is `session` (browser) or `token` (API)."""
    return users.user_of_session(tx, token, kind, now)


def record_audit(tx: Transaction, entry: AuditEntry) -> None:
    """Add an entry to the audit history."""
    audit.add(tx, entry)


def read_audit(tx: Transaction, query: AuditFilter, limit: int) -> list[AuditRow]:
    """Return up to `limit` entries of the audit history, newest first."""
    return audit.rows(tx, query, limit)


def audited_actions(tx: Transaction) -> Sequence[str]:
    """Return the actions of recent audit entries, sorted, for a filter."""
    return audit.recent_actions(tx)


def _describe_rights(user: User) -> str:
    return f"{user.role}, {describe_scope(user.scope)}"


def _load(tx: Transaction, name: str) -> UserRow:
    row = users.find(tx, name)
    if row is None:
        raise UserError(f"there is no user {name}")
    return row


def _is_password_correct(row: UserRow | None, attempt: LoginAttempt) -> bool:
    is_verified = verify_password(row.password_hash if row else dummy_hash(attempt.cost), attempt.password)
    return is_verified and row is not None and row.disabled_at is None
