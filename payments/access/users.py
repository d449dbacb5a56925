"""SQL for users, sessions, API tokens and failed logins. The caller hashes passwords."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import RowMapping

from payments.access.rights import LoginDelays, Role, User
from payments.contract.keys import ClinicKey
from payments.core.scope import Scope
from payments.store.db.connection import Transaction
from payments.store.db.statement import text

_RESET_FAILURES_AFTER = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class UserRow:
    """A stored user."""

    user: User
    password_hash: str = field(repr=False)
    added_at: datetime
    added_by: str
    disabled_at: datetime | None


@dataclass(frozen=True, slots=True)
class NewSession:
    """A session to start. `kind` is `session` for a browser and `token` for a program."""

    token: str = field(repr=False)
    kind: str
    started_at: datetime
    expires_at: datetime


def add(tx: Transaction, user: User, password_hash: str, now: datetime, who: str) -> bool:
    """Insert a user. Return whether it was inserted; False means that the name is taken."""
    added = tx.execute(
        text(
            "INSERT INTO users (name, role, companies, clinics, clinic_keys, password_hash, added_at, added_by) "
            "VALUES (:name, :role, CAST(:companies AS text[]), CAST(:clinics AS text[]), CAST(:keys AS jsonb), :hash, "
            ":now, :who) "
            "ON CONFLICT DO NOTHING"
        ),
        {
            "name": user.name,
            "role": user.role,
            **_scope_columns(user.scope),
            "hash": password_hash,
            "now": now,
            "who": who,
        },
    )
    return added.rowcount == 1


def find(tx: Transaction, name: str) -> UserRow | None:
    """Return a user, or None if there is no user with this name."""
    return _find(tx, name, "")


def lock(tx: Transaction, name: str) -> UserRow | None:
    """Lock and return a user. Return None if there is no user with this name. Locks: the row FOR NO KEY UPDATE."""
    return _find(tx, name, "FOR NO KEY UPDATE")


def _find(tx: Transaction, name: str, locking: str) -> UserRow | None:
    found = tx.execute(text(f"SELECT * FROM users WHERE name = :name {locking}"), {"name": name})
    row = found.mappings().one_or_none()
    return _user_row(row) if row else None


def list_all(tx: Transaction) -> list[UserRow]:
    """Return every user, by name."""
    return [_user_row(row) for row in tx.execute(text("SELECT * FROM users ORDER BY name")).mappings()]


def is_empty(tx: Transaction) -> bool:
    """Return whether there are no users."""
    return not tx.execute(text("SELECT EXISTS (SELECT FROM users)")).scalar_one()


def set_password(tx: Transaction, name: str, password_hash: str) -> None:
    """Replace a user's password, and end all sessions and tokens of the user."""
    tx.execute(text("UPDATE users SET password_hash = :hash WHERE name = :name"), {"name": name, "hash": password_hash})
    end_sessions_of(tx, name)


def disable(tx: Transaction, name: str, now: datetime) -> None:
    """Disable a user, and end all sessions and tokens of the user."""
    tx.execute(
        text("UPDATE users SET disabled_at = coalesce(disabled_at, :now) WHERE name = :name"),
        {"name": name, "now": now},
    )
    end_sessions_of(tx, name)


def enable(tx: Transaction, name: str) -> None:
    """Enable a disabled user."""
    tx.execute(text("UPDATE users SET disabled_at = NULL WHERE name = :name"), {"name": name})


def change(tx: Transaction, user: User, now: datetime) -> None:
    """Replace a user's role and scope. Open sessions continue with the new rights."""
    tx.execute(
        text(
            "UPDATE users SET role = :role, "
            "clinics = CAST(:clinics AS text[]), companies = CAST(:companies AS text[]), "
            "clinic_keys = CAST(:keys AS jsonb), "
            "companies_since = CASE WHEN companies IS DISTINCT FROM CAST(:companies AS text[]) THEN :now "
            "ELSE companies_since END WHERE name = :name"
        ),
        {"name": user.name, "role": user.role, "now": now, **_scope_columns(user.scope)},
    )


def start_session(tx: Transaction, name: str, session: NewSession) -> None:
    """Insert a session under the hash of its token, and delete expired sessions."""
    tx.execute(text("DELETE FROM sessions WHERE expires_at <= :now"), {"now": session.started_at})
    tx.execute(
        text(
            "INSERT INTO sessions (token_hash, user_name, kind, begun_at, expires_at) "
            "VALUES (:hash, :name, :kind, :started_at, :expires_at)"
        ),
        {
            "hash": _hash(session.token),
            "name": name,
            "kind": session.kind,
            "started_at": session.started_at,
            "expires_at": session.expires_at,
        },
    )


def user_of_session(tx: Transaction, token: str, kind: str, now: datetime) -> User | None:
    """Return the user of a session; None if the session does not exist or has expired, or the user is disabled."""
    found = tx.execute(
        text(
            "SELECT users.* FROM sessions JOIN users ON users.name = user_name "
            "WHERE token_hash = :hash AND kind = :kind AND expires_at > :now AND disabled_at IS NULL"
        ),
        {"hash": _hash(token), "kind": kind, "now": now},
    )
    row = found.mappings().one_or_none()
    return _user_row(row).user if row else None


def end_session(tx: Transaction, token: str) -> None:
    """End one session."""
    tx.execute(text("DELETE FROM sessions WHERE token_hash = :hash"), {"hash": _hash(token)})


def count_sessions_of(tx: Transaction, name: str, now: datetime) -> int:
    """Return how many sessions and tokens of a user have not expired."""
    found = tx.execute(
        text("SELECT count(*) FROM sessions WHERE user_name = :name AND expires_at > :now"), {"name": name, "now": now}
    )
    return int(found.scalar_one())


def end_sessions_of(tx: Transaction, name: str) -> None:
    """End all sessions and tokens of a user."""
    tx.execute(text("DELETE FROM sessions WHERE user_name = :name"), {"name": name})


def blocked_until(tx: Transaction, subjects: Sequence[str], now: datetime) -> datetime | None:
    """Return when the last login block on these subjects (name, IP address) ends; None if no subject is blocked."""
    found = tx.execute(
        text("SELECT max(blocked_until) FROM login_failures WHERE subject = ANY(:subjects) AND blocked_until > :now"),
        {"subjects": list(subjects), "now": now},
    )
    until: datetime | None = found.scalar_one()
    return until


def count_failure(tx: Transaction, subject: str, delays: LoginDelays, now: datetime) -> None:
    """Count a failed login, and set the delay that follows. The count restarts after a day without a failure."""
    failures = tx.execute(
        text(
            "INSERT INTO login_failures AS counted (subject, failures, last_at) VALUES (:subject, 1, :now) "
            "ON CONFLICT (subject) DO UPDATE SET last_at = :now, "
            "failures = CASE WHEN counted.last_at < :reset_before THEN 1 ELSE counted.failures + 1 END "
            "RETURNING failures"
        ),
        {"subject": subject, "now": now, "reset_before": now - _RESET_FAILURES_AFTER},
    ).scalar_one()
    delay = timedelta(seconds=delays.delay_seconds(failures))
    tx.execute(
        text("UPDATE login_failures SET blocked_until = :until WHERE subject = :subject"),
        {"subject": subject, "until": now + delay if delay else None},
    )


def reset_failures(tx: Transaction, subject: str) -> None:
    """Reset the count of failed logins after a successful login."""
    tx.execute(text("DELETE FROM login_failures WHERE subject = :subject"), {"subject": subject})


def _hash(token: str) -> bytes:
    # A token has 256 random bits, so a plain hash is as safe as a slow one.
    return hashlib.sha256(token.encode()).digest()


def _scope_columns(scope: Scope) -> dict[str, Any]:
    """Return the columns of a scope: the limits as sorted lists, and the pairs of company and clinic as JSON."""
    keys = None if scope.clinic_keys is None else json.dumps(sorted(scope.clinic_keys))
    limits = {"companies": scope.companies, "clinics": scope.clinics}
    return {name: None if ids is None else sorted(ids) for name, ids in limits.items()} | {"keys": keys}


def _scope(row: RowMapping) -> Scope:
    """Return the scope of a user.

    A console of an earlier release changes the clinics without the other columns. Then `clinic_keys` are ignored, and a
    user without companies sees nothing: a clinic id alone may be that of any company.
    """
    companies, clinics = (None if row[name] is None else frozenset(row[name]) for name in ("companies", "clinics"))
    if companies is None:
        return Scope(None if clinics is None else frozenset(), clinics)
    if clinics is None or row["clinic_keys"] is None:
        return Scope(companies, clinics)
    paired = Scope.of_clinic_keys(companies, (ClinicKey(*pair) for pair in row["clinic_keys"]))
    return paired if paired.clinics == clinics else Scope(companies, clinics)


def _user_row(row: RowMapping) -> UserRow:
    return UserRow(
        user=User(
            name=row["name"],
            role=Role(row["role"]),
            scope=_scope(row),
        ),
        password_hash=row["password_hash"],
        added_at=row["added_at"],
        added_by=row["added_by"],
        disabled_at=row["disabled_at"],
    )
