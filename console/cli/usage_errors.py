"""Describe usage errors: which value was expected, and which was given."""

from typing import Any

import typer

_RANGE_ERRORS = frozenset({"greater_than_equal", "less_than_equal", "int_parsing", "int_from_float"})


def describe_usage_error(error: typer.TyperException) -> str:
    """Return the message of a usage error. For a number, it contains the range that the parameter accepts.

    If a command was called without arguments, the message is empty: Typer has already printed the help.
    """
    if expected := _expected_number(error):
        error.message = expected
    return error.format_message().replace("Value error, ", "").rstrip(".")


def _expected_number(error: typer.TyperException) -> str:
    """Return a text with the range that a parameter accepts and the given value.

    For other errors, return an empty text.
    """
    read_details: Any = getattr(error.__cause__, "errors", list)
    details = read_details()
    if not details or details[0]["type"] not in _RANGE_ERRORS:
        return ""
    parameter: Any = getattr(error, "param", None)
    return f"expected {_range_text(parameter.min, parameter.max)}; got {details[0]['input']}"


def _range_text(lowest: int | None, highest: int | None) -> str:
    if lowest is None:
        return "a whole number"
    return f"a number of at least {lowest}" if highest is None else f"a number from {lowest} to {highest}"
