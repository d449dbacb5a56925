"""Users of the console, their sessions and tokens, and log-ins that failed. Passwords come here hashed."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import RowMapping

from payments.access.rights import Pauses, Role, User
from payments.store.db.connection import Transaction
from payments.store.db.statement import text

_FORGET_AFTER = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class UserRow:
    """A user as the list of users shows it."""

    user: User
    password_hash: str = field(repr=False)
    added_at: datetime
    added_by: str
    disabled_at: datetime | None


@dataclass(frozen=True, slots=True)
class NewSession:
    """A session that begins: of a browser (`session`) or of a program (`token`)."""

    token: str = field(repr=False)
    kind: str
    begun_at: datetime
    expires_at: datetime


def add(tx: Transaction, user: User, password_hash: str, now: datetime, who: str) -> bool:
    """Add a user, unless the name is taken; return whether it was free."""
    added = tx.execute(
        text(
            "INSERT INTO users (name, role, clinics, password_hash, added_at, added_by) "
            "VALUES (:name, :role, CAST(:clinics AS text[]), :hash, :now, :who) ON CONFLICT DO NOTHING"
        ),
        {
            "name": user.name,
            "role": user.role,
            "clinics": None if user.clinics is None else list(user.clinics),
            "hash": password_hash,
            "now": now,
            "who": who,
        },
    )
    return added.rowcount == 1


def find(tx: Transaction, name: str) -> UserRow | None:
    """Return a user by name."""
    row = tx.execute(text("SELECT * FROM users WHERE name = :name"), {"name": name}).mappings().one_or_none()
    return _user_row(row) if row else None


def list_all(tx: Transaction) -> list[UserRow]:
    """Return every user, by name."""
    return [_user_row(row) for row in tx.execute(text("SELECT * FROM users ORDER BY name")).mappings()]


def is_empty(tx: Transaction) -> bool:
    """Say whether there is no user yet."""
    return not tx.execute(text("SELECT EXISTS (SELECT FROM users)")).scalar_one()


def set_password(tx: Transaction, name: str, password_hash: str) -> None:
    """Give a user another password, and end all that was begun with the old one."""
    tx.execute(text("UPDATE users SET password_hash = :hash WHERE name = :name"), {"name": name, "hash": password_hash})
    end_all(tx, name)


def disable(tx: Transaction, name: str, now: datetime) -> None:
    """Let a user no longer log in, and end every session and token."""
    tx.execute(
        text("UPDATE users SET disabled_at = coalesce(disabled_at, :now) WHERE name = :name"),
        {"name": name, "now": now},
    )
    end_all(tx, name)


def enable(tx: Transaction, name: str) -> None:
    """Let a user log in again."""
    tx.execute(text("UPDATE users SET disabled_at = NULL WHERE name = :name"), {"name": name})


def change(tx: Transaction, user: User) -> None:
    """Give a user this role and this limit; sessions go on, with the rights that these give."""
    tx.execute(
        text("UPDATE users SET role = :role, clinics = CAST(:clinics AS text[]) WHERE name = :name"),
        {"name": user.name, "role": user.role, "clinics": None if user.clinics is None else list(user.clinics)},
    )


def begin(tx: Transaction, name: str, session: NewSession) -> None:
    """Keep a session by the hash of its token, and sweep out those that are over."""
    tx.execute(text("DELETE FROM sessions WHERE expires_at <= :now"), {"now": session.begun_at})
    tx.execute(
        text(
            "INSERT INTO sessions (token_hash, user_name, kind, begun_at, expires_at) "
            "VALUES (:hash, :name, :kind, :begun_at, :expires_at)"
        ),
        {
            "hash": _hash(session.token),
            "name": name,
            "kind": session.kind,
            "begun_at": session.begun_at,
            "expires_at": session.expires_at,
        },
    )


def recognise(tx: Transaction, token: str, kind: str, now: datetime) -> User | None:
    """Return whose session this is, unless it is over or the user was disabled."""
    found = tx.execute(
        text(
            "SELECT users.* FROM sessions JOIN users ON users.name = user_name "
            "WHERE token_hash = :hash AND kind = :kind AND expires_at > :now AND disabled_at IS NULL"
        ),
        {"hash": _hash(token), "kind": kind, "now": now},
    )
    row = found.mappings().one_or_none()
    return _user_row(row).user if row else None


def end(tx: Transaction, token: str) -> None:
    """End one session."""
    tx.execute(text("DELETE FROM sessions WHERE token_hash = :hash"), {"hash": _hash(token)})


def end_all(tx: Transaction, name: str) -> None:
    """End every session and token of a user."""
    tx.execute(text("DELETE FROM sessions WHERE user_name = :name"), {"name": name})


def blocked_until(tx: Transaction, subjects: Sequence[str], now: datetime) -> datetime | None:
    """Return until when one of these may not try to log in, None if all may."""
    found = tx.execute(
        text("SELECT max(blocked_until) FROM login_failures WHERE subject = ANY(:subjects) AND blocked_until > :now"),
        {"subjects": list(subjects), "now": now},
    )
    until: datetime | None = found.scalar_one()
    return until


def count_failure(tx: Transaction, subject: str, pauses: Pauses, now: datetime) -> None:
    """Count a failed log-in, and set the pause that follows from it. A day without one forgets them."""
    failures = tx.execute(
        text(
            "INSERT INTO login_failures AS known (subject, failures, last_at) VALUES (:subject, 1, :now) "
            "ON CONFLICT (subject) DO UPDATE SET last_at = :now, "
            "failures = CASE WHEN known.last_at < :forget THEN 1 ELSE known.failures + 1 END RETURNING failures"
        ),
        {"subject": subject, "now": now, "forget": now - _FORGET_AFTER},
    ).scalar_one()
    pause = timedelta(seconds=pauses.after(failures))
    tx.execute(
        text("UPDATE login_failures SET blocked_until = :until WHERE subject = :subject"),
        {"subject": subject, "until": now + pause if pause else None},
    )


def forget_failures(tx: Transaction, subject: str) -> None:
    """Forget what failed, after a log-in that worked."""
    tx.execute(text("DELETE FROM login_failures WHERE subject = :subject"), {"subject": subject})


def _hash(token: str) -> bytes:
    # The token is 256 random bits, so that a plain hash of it is as good as a slow one.
    return hashlib.sha256(token.encode()).digest()


def _user_row(row: RowMapping) -> UserRow:
    clinics = None if row["clinics"] is None else tuple(row["clinics"])
    user = User(row["name"], Role(row["role"]), clinics)
    return UserRow(user, row["password_hash"], row["added_at"], row["added_by"], row["disabled_at"])
