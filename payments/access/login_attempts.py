"""Check the passwords of login attempts, and delay further attempts after wrong passwords."""

from dataclasses import dataclass, field
from datetime import datetime

from payments.access import users
from payments.access.passwords import DEFAULT_COST, HashCost, dummy_hash, verify_password
from payments.access.rights import LoginDelays
from payments.access.users import UserRow
from payments.store.db.connection import Transaction

_DELAYS_BY_NAME, _DELAYS_BY_ADDRESS = LoginDelays(), LoginDelays(free=20)


@dataclass(frozen=True, slots=True)
class LoginAttempt:
    """A name and a password, submitted from an IP address.

    `cost` is the cost of the dummy hash that is verified for an unknown name. Without a dummy hash, the response time
    would reveal that the name is unknown.
    """

    name: str
    password: str = field(repr=False)
    address: str
    cost: HashCost = DEFAULT_COST

    @property
    def subjects(self) -> tuple[str, str]:
        """The name and the address. Failures are counted for each of them."""
        return f"name:{self.name[:64].casefold()}", f"address:{self.address}"


def blocked_message(tx: Transaction, attempt: LoginAttempt, now: datetime) -> str:
    """Return the message that refuses an attempt after too many wrong passwords, or an empty text."""
    until = users.blocked_until(tx, attempt.subjects, now)
    if until is None:
        return ""
    return f"Too many failed logins. Try again in {max(1, round((until - now).total_seconds()))} seconds."


def count_failure(tx: Transaction, attempt: LoginAttempt, now: datetime) -> None:
    """Count a wrong password for the name and for the address."""
    for subject, delays in zip(attempt.subjects, (_DELAYS_BY_NAME, _DELAYS_BY_ADDRESS), strict=True):
        users.count_failure(tx, subject, delays, now)


def is_password_correct(row: UserRow | None, attempt: LoginAttempt) -> bool:
    """Return whether an attempt has the user's password and the user is not disabled.

    `row` is None for an unknown user.
    """
    is_verified = verify_password(row.password_hash if row else dummy_hash(attempt.cost), attempt.password)
    return is_verified and row is not None and row.disabled_at is None
