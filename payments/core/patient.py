"""Patients at their newest version (rule D2, rows 1 to 3)."""

from typing import NamedTuple

from payments.contract.event import PatientSaved
from payments.core.version_check import VersionCheck, compare_versions


class PatientVersion(NamedTuple):
    """A patient at the newest version. Two events with the same version must have the same name."""

    version: int
    name: str | None

    @classmethod
    def of(cls, event: PatientSaved) -> "PatientVersion":
        """Return the patient that the EMR saved."""
        return cls(event.version, event.name)


def check_patient_version(event: PatientSaved, before: PatientVersion | None) -> VersionCheck:
    """Compare a saved patient with the version that Billing holds. `before` is None for a new patient."""
    return compare_versions(PatientVersion.of(event), before)


class PatientOfLine(NamedTuple):
    """The patient of a line.

    `id` is None if only the EMR's Payment Log has the line. `name` is the current name, None if it is unknown.
    """

    id: str | None = None
    name: str | None = None


NO_PATIENT = PatientOfLine()
