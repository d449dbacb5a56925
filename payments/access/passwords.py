"""Passwords: their limits, strength and hashes. The console and the command line use the same rules."""

import re
from dataclasses import dataclass, field
from typing import NamedTuple

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError

PASSWORD_LENGTH_MIN, PASSWORD_LENGTH_MAX = 12, 1000
# Control characters, and surrogates, which stand for bytes that are not UTF-8.
_UNTYPABLE_CHARACTER_PATTERN = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
_HASHER = PasswordHasher()
_RATED_CHARACTERS_MAX = 72
# Of 0 to 4: fewer than 10^10 guesses are too few if the hashes leak.
_STRENGTH_SCORE_MIN = 3
_GUESSABLE_WORDS = ("patient", "payments", "billing", "clinic", "console")
# Verified for a name that does not exist, so the response time does not reveal whether there is such a user.
_DUMMY_HASH = "$argon2id$v=19$m={},t={},p={}$6rXSD+/xiDtj1QX4bPdMiw$I4VkSEjW8s+jkpDnWbsDKJrje2Mn2BrJcqJvKUYVdbQ"


class UserError(ValueError):
    """A user cannot be added or changed as requested.

    `field` is the form field with the error, empty if there is none.
    """

    def __init__(self, sentence: str, field: str = "") -> None:
        self.field = field
        super().__init__(sentence)


class HashCost(NamedTuple):
    """The cost parameters of argon2id.

    The defaults are the second recommended option of RFC 9106, for little memory.
    """

    memory_kib: int = 65_536
    passes: int = 3
    lanes: int = 4


DEFAULT_COST = HashCost()


@dataclass(frozen=True, slots=True)
class NewPassword:
    """A new password, and the cost of its hash. A temporary password must be replaced after the next login."""

    text: str = field(repr=False)
    cost: HashCost = DEFAULT_COST
    is_temporary: bool = False


def hash_password(password: NewPassword, name: str) -> str:
    """Return the hash of a new password. `name` is the user's name.

    Raises UserError if the password is too short, too long or easy to guess, or contains a character that a login form
    cannot send, such as a tab.
    """
    _check_characters(password.text)
    check_strength(password.text, name)
    cost = password.cost
    hasher = PasswordHasher(time_cost=cost.passes, memory_cost=cost.memory_kib, parallelism=cost.lanes)
    return hasher.hash(password.text)


def check_strength(password: str, name: str) -> None:
    """Check a password's strength. Raises UserError if it is common, leaked, repetitive or like the user's name."""
    from zxcvbn import zxcvbn  # noqa: PLC0415 (it loads its word lists, which only new passwords need)

    # The library rates at most 72 characters, so only the beginning of a longer password is rated.
    beginning = password[:_RATED_CHARACTERS_MAX]
    rated = zxcvbn(beginning, user_inputs=[name, *_GUESSABLE_WORDS], max_length=_RATED_CHARACTERS_MAX)
    if rated["score"] < _STRENGTH_SCORE_MIN:
        warning = str(rated["feedback"]["warning"]).removesuffix(".")
        reason = f"{warning}. " if warning else ""
        raise UserError(f"the password is easy to guess. {reason}Choose four or more unusual words", "password")


def verify_password(password_hash: str, password: str) -> bool:
    """Return whether a password has this hash. For a password above the length limit, return False without hashing."""
    if len(password) > PASSWORD_LENGTH_MAX:
        return False
    try:
        return _HASHER.verify(password_hash, password)
    except (VerifyMismatchError, InvalidHashError):
        return False


def dummy_hash(cost: HashCost) -> str:
    """Return a hash of this cost that no password has. A login verifies it if the user name does not exist."""
    return _DUMMY_HASH.format(cost.memory_kib, cost.passes, cost.lanes)


def _check_characters(password: str) -> None:
    if len(password) < PASSWORD_LENGTH_MIN:
        raise UserError(f"the password must have at least {PASSWORD_LENGTH_MIN} characters", "password")
    if len(password) > PASSWORD_LENGTH_MAX:
        raise UserError(f"the password must have at most {PASSWORD_LENGTH_MAX:,} characters", "password")
    if _UNTYPABLE_CHARACTER_PATTERN.search(password):
        sentence = "the password has a character that a login form cannot send, such as a tab or a line break"
        raise UserError(sentence, "password")
