"""Reference page of the settings, from the fields of `config.settings.Settings` and their docstrings."""

from datetime import timedelta
from typing import Any

from config.settings import SECRETS, VARIABLES, Settings
from docgen.durations import written
from docgen.markdown import code, heading, table
from docgen.schemas import described_type

_INTRODUCTION = """
All settings come from the environment. A misspelt or invalid setting stops the process, and the error names it. An
empty variable counts as unset. Durations are written `30s`, `15m`, `2h` or `1d`.

Variables that may hold a password can be read from a file: add `_FILE` to the name and set it to the path of the file.
They are {secrets}.

"""


def page() -> str:
    """Return the page."""
    schemas = Settings.model_json_schema()["properties"]
    rows = [
        (code(name), _default(name), f"{field.description}{_limits(schemas[name])}")
        for name, field in zip(VARIABLES, Settings.model_fields.values(), strict=True)
    ]
    secrets = ", ".join(code(name) for name in SECRETS)
    title = heading("Settings", "config/settings.py")
    return title + _INTRODUCTION.format(secrets=secrets) + table(("Variable", "Default", "Meaning"), rows)


def _limits(schema: dict[str, Any]) -> str:
    """Return the limits or the possible values of a setting in parentheses, if it has any."""
    form = next((form for form in schema.get("anyOf", ()) if form != {"type": "null"}), schema)
    return f" ({described_type(form)})" if {"enum", "minimum"} & form.keys() else ""


def _default(name: str) -> str:
    if name == "PAYMENTS_HOME":
        return "`.payments/` in the checkout"
    field = list(Settings.model_fields.values())[VARIABLES.index(name)]
    match field.default:
        case None | ():
            return "unset"
        case bool(value):
            return code(str(value).lower())
        case timedelta() as duration:
            return code(written(duration))
        case tuple(steps):
            return code(",".join(written(step) for step in steps))
        case value:
            return code(value)
