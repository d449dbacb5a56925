"""Keys of clinics, charges and charge lines. All ids mean something within their company only."""

from collections.abc import Iterator
from itertools import combinations
from typing import NamedTuple, Self


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
        """Yield every key that prints as `text`: several if an id contains a slash, none without three parts."""
        parts = text.split("/")
        for first, second in combinations(range(1, len(parts)), 2):
            yield cls("/".join(parts[:first]), "/".join(parts[first:second]), "/".join(parts[second:]))


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
