"""Describe the type of a JSON Schema in words for a table."""

from typing import Any

from docgen.markdown import code

_NULL_SCHEMA = {"type": "null"}
_UNLIMITED = 2**32
"""The page omits a limit of this size or above, because it only protects a database column."""


def describe_type(schema: dict[str, Any]) -> str:
    """Return the type of a schema in words, with its limits.

    A reference to another schema becomes a link to a section of the same page.
    """
    match schema:
        case {"$ref": str(reference)}:
            name = reference.rpartition("/")[2]
            words = f"[{name}](#{name.lower()})"
        case {"anyOf": list(forms)}:
            known = dict.fromkeys(describe_type(form) for form in forms if form != _NULL_SCHEMA)
            words = " or ".join(known) + (" or null" if _NULL_SCHEMA in forms else "")
        case {"enum": list(values)}:
            words = ", ".join(code(value) for value in values)
        case {"type": "array", "items": dict(items)}:
            words = f"list of {describe_type(items)}"
        case {"minimum": least, "maximum": most} if most < _UNLIMITED:
            words = f"{schema['type']}, {least}-{most}"
        case _:
            words = str(schema.get("format", schema.get("type", "any")))
    return words
