"""Passwords: their limits, which are the same in the console, the API and the command line, and their hashes."""

import re
from dataclasses import dataclass, field
from typing import NamedTuple

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError

PASSWORD_LENGTH_MIN, PASSWORD_LENGTH_MAX = 12, 1000
# Control characters, and what is left of bytes that are not UTF-8.
_UNTYPABLE = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
_HASHER = PasswordHasher()
# Verified for a name that does not exist, so the response time does not reveal whether there is such a user.
_DUMMY_HASH = "$argon2id$v=19$m={},t={},p={}$6rXSD+/xiDtj1QX4bPdMiw$I4VkSEjW8s+jkpDnWbsDKJrje2Mn2BrJcqJvKUYVdbQ"


class UserError(ValueError):
    """A user cannot be added or changed as requested."""


class HashCost(NamedTuple):
    """The cost parameters of argon2id. The defaults are the second recommended option of RFC 9106, for low memory."""

    memory_kib: int = 65_536
    passes: int = 3
    lanes: int = 4


DEFAULT_COST = HashCost()


@dataclass(frozen=True, slots=True)
class NewPassword:
    """A new password, and the cost of its hash."""

    text: str = field(repr=False)
    cost: HashCost = DEFAULT_COST


def hash_password(password: NewPassword) -> str:
    """Hash the password with the cost in `password.cost`.

    Raises UserError for a password that is too short or too long, or that the login form could not send.
    """
    _check_password(password.text)
    cost = password.cost
    hasher = PasswordHasher(time_cost=cost.passes, memory_cost=cost.memory_kib, parallelism=cost.lanes)
    return hasher.hash(password.text)


def verify_password(password_hash: str, password: str) -> bool:
    """Return whether a password has this hash. For a password above the length limit, return False without hashing."""
    if len(password) > PASSWORD_LENGTH_MAX:
        return False
    try:
        return _HASHER.verify(password_hash, password)
    except (VerifyMismatchError, InvalidHashError):
        return False


def dummy_hash(cost: HashCost) -> str:
    """Return a hash of this cost. It is verified when a user name does not exist."""
    return _DUMMY_HASH.format(cost.memory_kib, cost.passes, cost.lanes)


def _check_password(password: str) -> None:
    if len(password) < PASSWORD_LENGTH_MIN:
        raise UserError(f"the password must have at least {PASSWORD_LENGTH_MIN} characters")
    if len(password) > PASSWORD_LENGTH_MAX:
        raise UserError(f"the password must have at most {PASSWORD_LENGTH_MAX:,} characters")
    if _UNTYPABLE.search(password):
        raise UserError("the password has a character that a login form cannot send, such as a tab or a line break")
