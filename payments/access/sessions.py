"""SQL for browser sessions and API tokens. Only a hash of each secret is stored."""

import hashlib
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from payments.access.rights import User
from payments.access.users import user_of_row
from payments.store.db.connection import Transaction
from payments.store.db.statement import text

RETENTION_AFTER_EXPIRY = timedelta(days=1)
"""The time for which an expired session is kept, so that its user may log in again and continue."""
_USE_RECORDING_INTERVAL = timedelta(minutes=1)
_REFERENCE_DIGITS = 16

# A session without a last use was started by an earlier release. Tokens do not expire when they are unused.
_IS_VALID = """
expires_at > :now AND (kind = 'token' OR coalesce(last_used_at, begun_at) > CAST(:idle_since AS timestamptz))
"""
_REFERENCE_SQL = f"left(encode(token_hash, 'hex'), {_REFERENCE_DIGITS})"


@dataclass(frozen=True, slots=True)
class Credential:
    """The secret of a session or of an API token. `kind` is `session` for a browser and `token` for a program."""

    token: str = field(repr=False)
    kind: str


@dataclass(frozen=True, slots=True)
class NewSession:
    """A session to start. `address` is the IP address of the user, empty if unknown."""

    token: str = field(repr=False)
    kind: str
    started_at: datetime
    expires_at: datetime
    address: str = ""


@dataclass(frozen=True, slots=True)
class SessionUse:
    """A request that uses a session: its time and IP address.

    `idle_limit` is the time after which an unused session is no longer valid. A background request, such as the
    automatic refresh of a page, does not count as a use.
    """

    at: datetime
    idle_limit: timedelta
    address: str = ""
    is_background: bool = False

    @property
    def idle_since(self) -> datetime:
        """A session is valid only if its last use is later than this time."""
        return self.at - self.idle_limit


@dataclass(frozen=True, slots=True)
class AuthenticatedUser:
    """The user of a valid session or token, and whether the user must change the password first."""

    user: User
    must_change_password: bool = False


@dataclass(frozen=True, slots=True)
class SessionRow:
    """A valid session or token of a user. `reference` identifies it on pages without revealing the secret.

    `last_used_at` and `address` are None if they are not recorded: for a token before its first use, and for a session
    of an earlier release.
    """

    reference: str
    kind: str
    begun_at: datetime
    last_used_at: datetime | None
    expires_at: datetime
    address: str | None


def start(tx: Transaction, name: str, session: NewSession) -> None:
    """Insert a session under its token hash. Delete sessions that expired more than RETENTION_AFTER_EXPIRY ago."""
    tx.execute(
        text("DELETE FROM sessions WHERE expires_at <= :before"),
        {"before": session.started_at - RETENTION_AFTER_EXPIRY},
    )
    tx.execute(
        text(
            "INSERT INTO sessions (token_hash, user_name, kind, begun_at, expires_at, last_used_at, address) "
            "VALUES (:hash, :name, :kind, :started_at, :expires_at, :used_at, :address)"
        ),
        {
            "hash": _hash(session.token),
            "name": name,
            "kind": session.kind,
            "started_at": session.started_at,
            "expires_at": session.expires_at,
            "used_at": session.started_at if session.kind == "session" else None,
            "address": session.address or None,
        },
    )


def authenticate(tx: Transaction, credential: Credential, use: SessionUse) -> AuthenticatedUser | None:
    """Return the user of a valid session or token, and record the use. At most one use is recorded per minute.

    Returns None if the session or token does not exist or has expired, or if the user is disabled.
    """
    found = tx.execute(
        text(
            "SELECT users.*, last_used_at, address FROM sessions JOIN users ON users.name = user_name "
            f"WHERE token_hash = :hash AND kind = :kind AND disabled_at IS NULL AND {_IS_VALID}"
        ),
        {"hash": _hash(credential.token), "kind": credential.kind, **_validity_parameters(use)},
    )
    row = found.mappings().one_or_none()
    if row is None:
        return None
    last, is_moved = row["last_used_at"], row["address"] != (use.address or None)
    if not use.is_background and (last is None or is_moved or use.at - last >= _USE_RECORDING_INTERVAL):
        tx.execute(
            text("UPDATE sessions SET last_used_at = :now, address = :address WHERE token_hash = :hash"),
            {"hash": _hash(credential.token), "now": use.at, "address": use.address or None},
        )
    return AuthenticatedUser(user_of_row(row), row["must_change_password"])


def find_user_of_expired(tx: Transaction, token: str) -> str | None:
    """Return the name of the user of an expired browser session. Call it only if `authenticate` returns None.

    Returns None if the session was ended, if it expired more than RETENTION_AFTER_EXPIRY ago, or if the user is
    disabled.
    """
    found = tx.execute(
        text(
            "SELECT users.name FROM sessions JOIN users ON users.name = user_name "
            "WHERE token_hash = :hash AND kind = 'session' AND disabled_at IS NULL"
        ),
        {"hash": _hash(token)},
    )
    name: str | None = found.scalar_one_or_none()
    return name


def end(tx: Transaction, token: str) -> None:
    """End the browser session with this token."""
    tx.execute(text("DELETE FROM sessions WHERE token_hash = :hash"), {"hash": _hash(token)})


def end_by_reference(tx: Transaction, name: str, reference: str) -> str | None:
    """End one session or token of a user. Return its kind, or None if it does not exist."""
    found = tx.execute(
        text(f"DELETE FROM sessions WHERE user_name = :name AND {_REFERENCE_SQL} = :reference RETURNING kind"),
        {"name": name, "reference": reference},
    )
    return next(iter(found.scalars()), None)


def end_all(tx: Transaction, name: str) -> None:
    """End all sessions and tokens of a user."""
    tx.execute(text("DELETE FROM sessions WHERE user_name = :name"), {"name": name})


def end_others(tx: Transaction, name: str, token: str) -> None:
    """End all browser sessions of a user except the session of `token`."""
    tx.execute(
        text("DELETE FROM sessions WHERE user_name = :name AND kind = 'session' AND token_hash <> :hash"),
        {"name": name, "hash": _hash(token)},
    )


def list_by_user(tx: Transaction, name: str, use: SessionUse) -> list[SessionRow]:
    """Return the valid sessions and tokens of a user, most recently used first."""
    columns = "kind, begun_at, last_used_at, expires_at, address"
    found = tx.execute(
        text(
            f"SELECT {_REFERENCE_SQL} AS reference, {columns} FROM sessions WHERE user_name = :name AND {_IS_VALID} "
            "ORDER BY coalesce(last_used_at, begun_at) DESC, token_hash"
        ),
        {"name": name, **_validity_parameters(use)},
    )
    return [SessionRow(**row) for row in found.mappings()]


def count_by_user(tx: Transaction, name: str, now: datetime) -> int:
    """Return the number of a user's sessions and tokens that have not expired. Idle sessions count as well."""
    found = tx.execute(
        text("SELECT count(*) FROM sessions WHERE user_name = :name AND expires_at > :now"), {"name": name, "now": now}
    )
    return int(found.scalar_one())


def reference_of(token: str) -> str:
    """Return the `reference` of the SessionRow for the session or API token with this secret."""
    return _hash(token).hex()[:_REFERENCE_DIGITS]


def _validity_parameters(use: SessionUse) -> dict[str, Any]:
    """Return the parameters of _IS_VALID."""
    return {"now": use.at, "idle_since": use.idle_since}


def _hash(token: str) -> bytes:
    # A token has 256 random bits, so a plain hash is as safe as a slow one.
    return hashlib.sha256(token.encode()).digest()
