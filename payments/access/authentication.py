"""Let people and programs into the console, and keep on record what they do there."""

import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError

from payments.access import audit, users
from payments.access.audit import AuditEntry, AuditFilter, AuditRow
from payments.access.rights import Pauses, Role, User
from payments.access.users import NewSession, UserRow
from payments.store.db.connection import Transaction

__all__ = ["AuditEntry", "AuditFilter", "AuditRow", "UserRow"]

PASSWORD_LENGTH_MIN = 12
TOKEN_LIFE = timedelta(days=365)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
_BY_NAME, _BY_ADDRESS = Pauses(), Pauses(free=20)
_HASHER = PasswordHasher()
# Checked where nobody has the name, so that the time of the answer does not tell.
_NOBODYS_HASH = "$argon2id$v=19$m={},t={},p={}$6rXSD+/xiDtj1QX4bPdMiw$I4VkSEjW8s+jkpDnWbsDKJrje2Mn2BrJcqJvKUYVdbQ"


class UserError(ValueError):
    """A user cannot be made or changed as asked."""


class Cost(NamedTuple):
    """What one guess at a password costs; the defaults are those of RFC 9106 for where memory is scarce."""

    memory_kib: int = 65_536
    passes: int = 3
    lanes: int = 4


COST = Cost()


@dataclass(frozen=True, slots=True)
class Password:
    """A password that somebody chose, and what each guess at it is to cost from now on."""

    text: str = field(repr=False)
    cost: Cost = COST


@dataclass(frozen=True, slots=True)
class Attempt:
    """Somebody who tries to log in; a name that nobody has costs what a password of this cost does."""

    name: str
    password: str = field(repr=False)
    address: str
    cost: Cost = COST


@dataclass(frozen=True, slots=True)
class LoginResult:
    """What came of an attempt: a session's token, or the sentence that says why not."""

    token: str | None = field(repr=False)
    sentence: str = ""


def add_user(tx: Transaction, user: User, password: Password, now: datetime, who: str) -> None:
    """Make a user. Raises UserError for a name that is taken or not one, a weak password or a limited admin."""
    if not _NAME.fullmatch(user.name):
        raise UserError("a name is 1 to 64 letters, digits, dots, hyphens, underscores or @")
    _check_limit(user)
    if not users.add(tx, user, _hashed(password), now, who):
        raise UserError(f"there is a user {user.name} already")
    audit.add(tx, AuditEntry(now, who, "user added", user.name, _rights_of(user)))


def change_user(tx: Transaction, user: User, now: datetime, who: str) -> None:
    """Give a user another role or limit, in force at once. Raises UserError for an unknown name or a limited admin."""
    _check_limit(user)
    before = _known(tx, user.name).user
    if user != before:
        users.change(tx, user)
        audit.add(tx, AuditEntry(now, who, "user changed", user.name, f"{_rights_of(before)} to {_rights_of(user)}"))


def set_password(tx: Transaction, name: str, password: Password, now: datetime, who: str) -> None:
    """Give a user another password; every session and token ends. Raises UserError for an unknown name."""
    _known(tx, name)
    users.set_password(tx, name, _hashed(password))
    audit.add(tx, AuditEntry(now, who, "password set", name))


def disable(tx: Transaction, name: str, now: datetime, who: str) -> None:
    """Let a user no longer in, at once. Raises UserError for an unknown name."""
    _known(tx, name)
    users.disable(tx, name, now)
    audit.add(tx, AuditEntry(now, who, "user disabled", name))


def enable(tx: Transaction, name: str, now: datetime, who: str) -> None:
    """Let a user in again who was disabled; sessions and tokens of before stay ended. Raises UserError."""
    if _known(tx, name).disabled_at is None:
        raise UserError(f"user {name} is not disabled")
    users.enable(tx, name)
    audit.add(tx, AuditEntry(now, who, "user enabled", name))


def find_user(tx: Transaction, name: str) -> User:
    """Return a user. Raises UserError for an unknown name."""
    return _known(tx, name).user


def list_users(tx: Transaction) -> list[UserRow]:
    """Return every user."""
    return users.list_all(tx)


def nobody_yet(tx: Transaction) -> bool:
    """Say whether there is no user who could log in."""
    return users.is_empty(tx)


def log_in(tx: Transaction, attempt: Attempt, now: datetime, life: timedelta) -> LoginResult:
    """Begin a session for who knows the password. Failures are counted by name and by address, with growing pauses."""
    subjects = (f"name:{attempt.name[:64]}", f"address:{attempt.address}")
    if until := users.blocked_until(tx, subjects, now):
        seconds = max(1, round((until - now).total_seconds()))
        return LoginResult(None, f"Too many log-ins have failed. Try again in {seconds} seconds.")
    known = users.find(tx, attempt.name)
    if not _matches(known, attempt):
        for subject, pauses in zip(subjects, (_BY_NAME, _BY_ADDRESS), strict=True):
            users.count_failure(tx, subject, pauses, now)
        audit.add(tx, AuditEntry(now, "nobody", "log-in failed", attempt.name[:64], address=attempt.address))
        return LoginResult(None, "The name or the password is not right.")
    users.forget_failures(tx, subjects[0])
    token = secrets.token_urlsafe(32)
    users.begin(tx, attempt.name, NewSession(token, "session", now, now + life))
    audit.add(tx, AuditEntry(now, f"user:{attempt.name}", "logged in", address=attempt.address))
    return LoginResult(token)


def log_out(tx: Transaction, token: str, user: User, now: datetime) -> None:
    """End a session."""
    users.end(tx, token)
    audit.add(tx, AuditEntry(now, user.signature, "logged out"))


def make_token(tx: Transaction, name: str, now: datetime, who: str) -> str:
    """Make a token with which a program may do what this user may, for a year. Raises UserError."""
    if _known(tx, name).disabled_at:
        raise UserError(f"user {name} is disabled")
    token = secrets.token_urlsafe(32)
    users.begin(tx, name, NewSession(token, "token", now, now + TOKEN_LIFE))
    audit.add(tx, AuditEntry(now, who, "API token made", name))
    return token


def recognise(tx: Transaction, token: str, kind: str, now: datetime) -> User | None:
    """Return who shows this session's or program's token, None if it opens nothing."""
    return users.recognise(tx, token, kind, now)


def note(tx: Transaction, deed: AuditEntry) -> None:
    """Write down what somebody did, exported or looked at."""
    audit.add(tx, deed)


def read_audit(tx: Transaction, query: AuditFilter, limit: int) -> list[AuditRow]:
    """Return the audit history, newest first."""
    return audit.rows(tx, query, limit)


def audited_actions(tx: Transaction) -> Sequence[str]:
    """Return what kinds of deeds the history holds."""
    return audit.actions(tx)


def _check_limit(user: User) -> None:
    if user.role is Role.ADMIN and user.clinics is not None:
        raise UserError("an admin sees every clinic; leave the clinics out or choose another role")


def _rights_of(user: User) -> str:
    limit = "all clinics" if user.clinics is None else f"clinics {', '.join(user.clinics)}"
    return f"{user.role}, {limit}"


def _known(tx: Transaction, name: str) -> UserRow:
    known = users.find(tx, name)
    if known is None:
        raise UserError(f"there is no user {name}")
    return known


def _hashed(password: Password) -> str:
    if len(password.text) < PASSWORD_LENGTH_MIN:
        raise UserError(f"a password has at least {PASSWORD_LENGTH_MIN} characters")
    memory_kib, passes, lanes = password.cost
    return PasswordHasher(time_cost=passes, memory_cost=memory_kib, parallelism=lanes).hash(password.text)


def _matches(known: UserRow | None, attempt: Attempt) -> bool:
    try:
        # What checking costs is written in the hash itself.
        _HASHER.verify(known.password_hash if known else _nobodys_hash(attempt.cost), attempt.password)
    except (VerifyMismatchError, InvalidHashError):
        return False
    return known is not None and known.disabled_at is None


def _nobodys_hash(cost: Cost) -> str:
    return _NOBODYS_HASH.format(*cost)
