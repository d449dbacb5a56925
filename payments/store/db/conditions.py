"""SQL conditions for a filter object or a scope.

A field of the filter that is None adds no condition, so that PostgreSQL can use indexes.
"""

from collections.abc import Collection, Mapping
from typing import Any

from payments.core.scope import Scope

# Row-level security keeps PostgreSQL from using an index where two types are compared, such as a date with a timestamp.
IN_MONTH = "{0} >= :month AND {0} < CAST(CAST(:month AS date) + interval '1 month' AS date)"
"""The condition that a date is in the month that begins at the parameter `month`."""
HAS_MOVED = "move_state IN ('left', 'arriving')"
"""The condition that the data of a company, a row of `companies`, are in another installation."""


def has_not_moved(table: str) -> str:
    """Return the condition that the company of a row has not moved to another installation.

    A row without a company meets the condition.
    """
    return (
        f"NOT EXISTS (SELECT FROM companies AS moved WHERE moved.company_id = {table}.company_id AND moved.{HAS_MOVED})"
    )


_CLINIC_KEYS_QUERY = "SELECT * FROM unnest(CAST(:key_companies AS text[]), CAST(:key_clinics AS text[]))"


def conditions(filter_object: Any, parts: Mapping[str, str]) -> str:
    """Return the conditions of a filter object, each preceded by AND.

    `parts` maps a field of the filter object to its condition. Fields that are None are omitted.
    """
    return "".join(f" AND {part}" for name, part in parts.items() if getattr(filter_object, name) is not None)


def parameters_of(filter_object: Any) -> dict[str, Any]:
    """Return the SQL parameters of a filter object: its fields that are not None, and the parameters of its scope.

    The object is an instance of a dataclass with slots and a field `scope`.
    """
    given = {name: value for name in filter_object.__slots__ if (value := getattr(filter_object, name)) is not None}
    return given | scope_parameters(given.pop("scope"))


def in_scope(scope: Scope, table: str) -> str:
    """Return the conditions, each preceded by AND, that a row of a table belongs to a scope.

    The table has the columns `company_id` and `clinic_id`. A row in which a limited column is null is not in the scope.
    """
    of_clinics = _is_one_of(f"{table}.clinic_id", "clinics", scope.clinics)
    of_keys = (
        "" if scope.clinic_keys is None else f" AND ({table}.company_id, {table}.clinic_id) IN ({_CLINIC_KEYS_QUERY})"
    )
    return company_in_scope(scope, table) + of_clinics + of_keys


def company_in_scope(scope: Scope, table: str) -> str:
    """Return the condition, preceded by AND, that the company of a row belongs to a scope."""
    return _is_one_of(f"{table}.company_id", "companies", scope.companies)


def scope_parameters(scope: Scope) -> dict[str, list[str]]:
    """Return the parameters of `in_scope` and `company_in_scope`: the limits of the scope as sorted lists."""
    limits = {"companies": scope.companies, "clinics": scope.clinics}
    parameters = {name: sorted(ids) for name, ids in limits.items() if ids is not None}
    if scope.clinic_keys is not None:
        keys = sorted(scope.clinic_keys)
        parameters["key_companies"] = [key.company_id for key in keys]
        parameters["key_clinics"] = [key.clinic_id for key in keys]
    return parameters


def in_optional_scope(company: str, clinic: str) -> str:
    """Return the condition that these columns belong to a scope. The text of the condition is the same for every scope.

    `optional_scope_parameters` returns its parameters.
    """
    return (
        f"(CAST(:companies AS text[]) IS NULL OR {company} = ANY(:companies)) "
        f"AND (CAST(:clinics AS text[]) IS NULL OR {clinic} = ANY(:clinics)) "
        f"AND (CAST(:key_clinics AS text[]) IS NULL OR ({company}, {clinic}) IN ({_CLINIC_KEYS_QUERY}))"
    )


def optional_scope_parameters(scope: Scope) -> dict[str, list[str] | None]:
    """Return the parameters of `in_optional_scope`: the limits as sorted lists, None where there is no limit."""
    return dict.fromkeys(("companies", "clinics", "key_companies", "key_clinics")) | scope_parameters(scope)


def rows_of_each_clinic(scope: Scope, table: str, query: str) -> str:
    """Return SQL that reads a table clinic by clinic, so that an index that begins with the clinic is used.

    `query` continues the WHERE clause: further conditions, the order, and a limit that applies to each clinic.
    """
    own = f"SELECT * FROM {table} WHERE clinic_id = seen.clinic_id AND company_id = seen.company_id AND {query}"
    return f"SELECT own.* FROM clinics AS seen, LATERAL ({own}) AS own WHERE true{in_scope(scope, 'seen')}"


def _is_one_of(column: str, parameter: str, ids: Collection[str] | None) -> str:
    """Return the condition, preceded by AND, that a column has one of the ids in an array parameter.

    A single id is compared with `=`, because an index that begins with the column can then also supply the order.
    """
    if ids is None:
        return ""
    array = f"CAST(:{parameter} AS text[])"
    return f" AND {column} = ({array})[1]" if len(ids) == 1 else f" AND {column} = ANY({array})"
