"""Build SQL conditions from a filter object.

A field that is None adds no condition, so that PostgreSQL can use an index.
"""

from collections.abc import Mapping, Sequence
from typing import Any


def conditions(filter_object: Any, parts: Mapping[str, str]) -> str:
    """Return the conditions of the given filters, each preceded by AND.

    `parts` maps a field of the filter object to its condition. Fields that are None are omitted.
    """
    return "".join(f" AND {part}" for name, part in parts.items() if getattr(filter_object, name) is not None)


def clinic_condition(column: str, clinics: Sequence[str] | None) -> str:
    """Return the condition that a column holds one of the parameter `clinics`.

    For a single clinic it is an equation, so that an index that begins with the column also gives the order.
    """
    array = "CAST(:clinics AS text[])"
    return f"{column} = ({array})[1]" if clinics is not None and len(clinics) == 1 else f"{column} = ANY({array})"


def parameters_of(filter_object: Any) -> dict[str, Any]:
    """Return the fields of a filter object that are not None; `clinics` as a list.

    The object is an instance of a dataclass with slots that has a field `clinics`.
    """
    given = {name: value for name in filter_object.__slots__ if (value := getattr(filter_object, name)) is not None}
    return given | ({"clinics": list(filter_object.clinics)} if filter_object.clinics is not None else {})
