"""SQL for users and failed logins. Names are compared without case. The caller hashes passwords."""

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
    must_change_password: bool


def add(tx: Transaction, user: User, password_hash: str, now: datetime, who: str) -> bool:
    """Insert a user. Return False if the name is taken, even if only in another case."""
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
    """Return a user, or None if no user has this name. If several names differ only by case, prefer the exact match."""
    return _find(tx, name, "")


def lock(tx: Transaction, name: str) -> UserRow | None:
    """Find a user as `find` does, and lock the row FOR NO KEY UPDATE. Return None if no user has this name."""
    return _find(tx, name, "FOR NO KEY UPDATE")


def _find(tx: Transaction, name: str, locking: str) -> UserRow | None:
    found = tx.execute(
        text(
            "SELECT * FROM users WHERE lower(name) = lower(:name) ORDER BY name = :name DESC, is_namesake LIMIT 1 "
            f"{locking}"
        ),
        {"name": name},
    )
    row = found.mappings().one_or_none()
    return _to_user_row(row) if row else None


def list_all(tx: Transaction) -> list[UserRow]:
    """Return all users, by name."""
    return [_to_user_row(row) for row in tx.execute(text("SELECT * FROM users ORDER BY name")).mappings()]


def is_empty(tx: Transaction) -> bool:
    """Return whether there are no users."""
    return not tx.execute(text("SELECT EXISTS (SELECT FROM users)")).scalar_one()


def set_password(tx: Transaction, name: str, password_hash: str, *, must_change: bool) -> None:
    """Replace a user's password. With `must_change`, the user must choose another one after the next login."""
    tx.execute(
        text("UPDATE users SET password_hash = :hash, must_change_password = :must_change WHERE name = :name"),
        {"name": name, "hash": password_hash, "must_change": must_change},
    )


def require_password_change(tx: Transaction, name: str) -> None:
    """Require that a user chooses another password after the next login."""
    tx.execute(text("UPDATE users SET must_change_password = true WHERE name = :name"), {"name": name})


def disable(tx: Transaction, name: str, now: datetime) -> None:
    """Disable a user."""
    tx.execute(
        text("UPDATE users SET disabled_at = coalesce(disabled_at, :now) WHERE name = :name"),
        {"name": name, "now": now},
    )


def enable(tx: Transaction, name: str) -> None:
    """Enable a disabled user."""
    tx.execute(text("UPDATE users SET disabled_at = NULL WHERE name = :name"), {"name": name})


def change(tx: Transaction, user: User, now: datetime) -> None:
    """Replace a user's role and scope. The user's open sessions have the new rights immediately."""
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


def blocked_until(tx: Transaction, subjects: Sequence[str], now: datetime) -> datetime | None:
    """Return the time at which logins are permitted again, or None if they are not blocked.

    `subjects` are the name and the IP address. If both are blocked, the later time is returned.
    """
    found = tx.execute(
        text("SELECT max(blocked_until) FROM login_failures WHERE subject = ANY(:subjects) AND blocked_until > :now"),
        {"subjects": list(subjects), "now": now},
    )
    until: datetime | None = found.scalar_one()
    return until


def count_failure(tx: Transaction, subject: str, delays: LoginDelays, now: datetime) -> None:
    """Count a failed login, and store the end of the delay. After a day without failures, the count restarts."""
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


def _scope_columns(scope: Scope) -> dict[str, Any]:
    """Return the columns of a scope: its limits as sorted lists, and its clinic keys as JSON."""
    keys = None if scope.clinic_keys is None else json.dumps(sorted(scope.clinic_keys))
    limits = {"companies": scope.companies, "clinics": scope.clinics}
    return {name: None if ids is None else sorted(ids) for name, ids in limits.items()} | {"keys": keys}


def _scope_of_row(row: RowMapping) -> Scope:
    """Return the scope in a row of the table of users.

    `clinic_keys` that do not match the clinics are ignored: a console of an earlier release changes the column
    `clinics` only. A user without companies sees nothing, because a clinic id alone may belong to any company.
    """
    companies, clinics = (None if row[name] is None else frozenset(row[name]) for name in ("companies", "clinics"))
    if companies is None:
        return Scope(None if clinics is None else frozenset(), clinics)
    if clinics is None or row["clinic_keys"] is None:
        return Scope(companies, clinics)
    paired = Scope.of_clinic_keys(companies, (ClinicKey(*pair) for pair in row["clinic_keys"]))
    return paired if paired.clinics == clinics else Scope(companies, clinics)


def user_of_row(row: RowMapping) -> User:
    """Return the user in a row of the table, with name, role and scope."""
    return User(name=row["name"], role=Role(row["role"]), scope=_scope_of_row(row))


def _to_user_row(row: RowMapping) -> UserRow:
    return UserRow(
        user=user_of_row(row),
        password_hash=row["password_hash"],
        added_at=row["added_at"],
        added_by=row["added_by"],
        disabled_at=row["disabled_at"],
        must_change_password=row["must_change_password"],
    )
