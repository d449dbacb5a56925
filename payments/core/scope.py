"""The scope of a user or a report: the companies and clinics whose data may be seen."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Self

from payments.contract.keys import ClinicKey


@dataclass(frozen=True, slots=True)
class Scope:
    """The companies and clinics whose data may be seen. Data must be within all three limits.

    - None means no limit. `Scope()` permits everything: all clinics of all companies.
    - An empty set permits nothing.
    - `clinics` holds clinic ids. If a user is limited to clinics, `companies` holds the companies of these clinics. If
      `companies` is None, the scope includes these clinic ids in every company. Such a scope occurs only if a user who
      may see all companies limits a report to a clinic.
    - `clinic_keys` limits the scope to pairs of a company and a clinic. It is needed if several companies of the scope
      may have the same clinic id.
    """

    companies: frozenset[str] | None = None
    clinics: frozenset[str] | None = None
    clinic_keys: frozenset[ClinicKey] | None = None

    @classmethod
    def of_clinics(cls, *clinic_ids: str) -> Self:
        """Return the scope of these clinics, regardless of their company."""
        return cls(clinics=frozenset(clinic_ids))

    @classmethod
    def of_clinic(cls, company_id: str, clinic_id: str) -> Self:
        """Return the scope of one clinic of a company."""
        return cls(frozenset({company_id}), frozenset({clinic_id}))

    @classmethod
    def of_clinic_keys(cls, companies: Iterable[str], keys: Iterable[ClinicKey]) -> Self:
        """Return the scope of the clinics with these keys. `companies` are their companies."""
        companies, keys = frozenset(companies), frozenset(keys)
        return cls(companies, frozenset(key.clinic_id for key in keys), keys if len(companies) > 1 else None)

    @classmethod
    def of_companies(cls, *company_ids: str) -> Self:
        """Return the scope of all clinics of these companies."""
        return cls(companies=frozenset(company_ids))

    @property
    def qualified_clinic_ids(self) -> list[str] | None:
        """The clinic ids, sorted, or None for all clinics.

        With `clinic_keys`, each id is written as `company:clinic`.
        """
        names = self.clinics if self.clinic_keys is None else map(":".join, self.clinic_keys)
        return None if names is None else sorted(names)

    @property
    def only_clinic(self) -> str | None:
        """The clinic of a scope that is limited to one clinic id, otherwise None."""
        return next(iter(self.clinics)) if self.clinics is not None and len(self.clinics) == 1 else None

    @property
    def only_company(self) -> str | None:
        """The company of a scope that is limited to one company, otherwise None."""
        return next(iter(self.companies)) if self.companies is not None and len(self.companies) == 1 else None

    @property
    def is_empty(self) -> bool:
        """Whether the scope permits no company or no clinic."""
        if self.clinic_keys is None:
            return self.companies == frozenset() or self.clinics == frozenset()
        return not any(self.may_see(*key) for key in self.clinic_keys)

    def may_see(self, company_id: str | None, clinic_id: str | None) -> bool:
        """Return whether data of this company and clinic may be seen.

        An id that cannot be read from the data is None. If the scope limits this kind of id, it does not permit such
        data.
        """
        is_key = self.clinic_keys is None or (company_id, clinic_id) in self.clinic_keys
        return is_key and _contains(self.companies, company_id) and _contains(self.clinics, clinic_id)

    def may_see_company(self, company_id: str | None) -> bool:
        """Return whether all data of a company may be seen, such as its months."""
        return self.clinics is None and _contains(self.companies, company_id)

    def includes(self, other: "Scope") -> bool:
        """Return whether this scope permits everything that the other scope permits.

        Only EVERYTHING includes an empty scope.
        """
        if other.is_empty and self != EVERYTHING:
            return False
        has_keys = self.clinic_keys is None or (other.clinic_keys is not None and other.clinic_keys <= self.clinic_keys)
        return has_keys and _includes(self.companies, other.companies) and _includes(self.clinics, other.clinics)

    def narrowed_to_company(self, company_id: str | None) -> "Scope":
        """Return the part of this scope that belongs to one company. For None, return this scope.

        The result is empty if this scope does not include the company.
        """
        if company_id is None:
            return self
        return replace(self, companies=frozenset({company_id} if _contains(self.companies, company_id) else ()))

    def narrowed_to_clinic(self, clinic_id: str | None) -> "Scope":
        """Return the part of this scope that belongs to one clinic. For None, return this scope.

        The result is empty if this scope does not include the clinic.
        """
        if clinic_id is None:
            return self
        return replace(self, clinics=frozenset({clinic_id}) if _contains(self.clinics, clinic_id) else frozenset())


EVERYTHING = Scope()
"""All clinics of all companies."""


def _contains(ids: frozenset[str] | None, wanted: str | None) -> bool:
    return ids is None or wanted in ids


def _includes(ids: frozenset[str] | None, others: frozenset[str] | None) -> bool:
    return ids is None or (others is not None and others <= ids)
