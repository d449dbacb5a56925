"""A question's conditions in SQL, each only where it is asked for, so that the planner sees which index serves."""

from collections.abc import Mapping
from typing import Any


def asked(query: Any, parts: Mapping[str, str]) -> str:
    """Return the conditions, by the field of the query that asks for each, as so many ` AND ...`."""
    return "".join(f" AND {part}" for name, part in parts.items() if getattr(query, name) is not None)


def values(query: Any) -> dict[str, Any]:
    """Return the fields of a query, a dataclass with slots, that ask for something; clinics as a list."""
    given = {name: value for name in query.__slots__ if (value := getattr(query, name)) is not None}
    return given | ({"clinics": list(query.clinics)} if query.clinics is not None else {})
