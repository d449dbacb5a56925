"""Charges at their newest version: the amounts that patients owe for dates of service (rule D2, rows 1 to 3)."""

from datetime import date
from typing import NamedTuple

from payments.contract.event import ChargeSaved
from payments.contract.money import ZERO, Money
from payments.core.version_check import VersionCheck, compare_versions


class ChargeVersion(NamedTuple):
    """A charge at its newest version.

    `patient_balance` and `patient_paid` are in dollars. If the event did not state `patient_paid`, it is None until a
    distribution determines it.
    """

    version: int
    patient_id: str
    date_of_service: date
    patient_balance: Money
    insurance_open: bool
    patient_paid: Money | None = None

    @classmethod
    def of(cls, event: ChargeSaved) -> "ChargeVersion":
        """Return the charge that the EMR saved."""
        return cls(**{name: getattr(event, name) for name in cls._fields})


def recorded_version(event: ChargeSaved, before: ChargeVersion | None) -> ChargeVersion:
    """Return the version to record for a saved charge.

    `before` is the charge that Billing holds, None for a new charge. If the event does not state `patient_paid`, the
    version has 0.00 for a new charge. For a known charge it has None, and the next distribution determines the amount.
    """
    saved = ChargeVersion.of(event)
    return saved._replace(patient_paid=saved.patient_paid or ZERO) if before is None else saved


def check_charge_version(event: ChargeSaved, before: ChargeVersion | None) -> VersionCheck:
    """Compare a saved charge with the version that Billing holds. `before` is None for a new charge.

    `patient_paid` is compared only if both the event and Billing have a value.
    """
    saved = ChargeVersion.of(event)
    if before is not None and None in {saved.patient_paid, before.patient_paid}:
        saved = saved._replace(patient_paid=before.patient_paid)
    return compare_versions(saved, before)
