"""Keys of clinics, charges and charge lines. Every id is unique only within its company."""

from collections.abc import Iterator
from itertools import combinations
from typing import NamedTuple, Self

ID_CHARACTERS_MAX = 64
"""The largest number of characters of an id in an event."""


class ClinicKey(NamedTuple):
    """Key of a clinic."""

    company_id: str
    clinic_id: str


class ChargeKey(NamedTuple):
    """Key of a charge. It prints as clinic/charge, without the company."""

    company_id: str
    clinic_id: str
    charge_id: str

    def __str__(self) -> str:
        return f"{self.clinic_id}/{self.charge_id}"


class LocalKey(NamedTuple):
    """Key of a charge line within its company. It prints as clinic/payment/line."""

    clinic_id: str
    payment_id: str
    line_id: str

    def __str__(self) -> str:
        return "/".join(self)

    @classmethod
    def parse_all(cls, text: str) -> Iterator[Self]:
        """Yield every key that prints as `text`.

        A text with fewer than two slashes is no key. If the text has more than two, an id contains a slash, and several
        keys are possible. Keys with an id longer than ID_CHARACTERS_MAX are skipped, which limits the number of keys of
        a text with many slashes.
        """
        slashes = [position for position, character in enumerate(text) if character == "/"]
        for first, second in combinations(slashes, 2):
            key = cls(text[:first], text[first + 1 : second], text[second + 1 :])
            if max(map(len, key)) <= ID_CHARACTERS_MAX:
                yield key


class KeyReading(NamedTuple):
    """One way to split the text of a key into ids. `company_id` is None if the text is read without a company."""

    company_id: str | None
    key: LocalKey

    @classmethod
    def parse_all(cls, text: str) -> Iterator[Self]:
        """Yield every reading of `clinic/payment/line` or `company:clinic/payment/line`.

        Ids may contain colons. A text with a colon is therefore read both with and without a company.
        """
        yield from (cls(None, key) for key in LocalKey.parse_all(text))
        for position, character in enumerate(text[: ID_CHARACTERS_MAX + 1]):
            if character == ":" and position:
                yield from (cls(text[:position], key) for key in LocalKey.parse_all(text[position + 1 :]))


class LineKey(NamedTuple):
    """Key of a charge line of an EMR payment. It prints as clinic/payment/line, without the company."""

    company_id: str
    clinic_id: str
    payment_id: str
    line_id: str

    def __str__(self) -> str:
        return "/".join(self[1:])

    @property
    def clinic(self) -> ClinicKey:
        """The key of the line's clinic."""
        return ClinicKey(self.company_id, self.clinic_id)
