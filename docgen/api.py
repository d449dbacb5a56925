"""The reference page of the console's API, from its OpenAPI description."""

from collections.abc import Iterator
from typing import Any

from config.engines import Engines
from config.settings import read_settings
from console.web.app import create_app
from docgen.markdown import code, heading, table
from docgen.schemas import describe_type

_INTRODUCTION = """
The API has the same rights and limits as the pages. Send a token as `Authorization: Bearer ...`; `payments users token
NAME` creates one. A running console serves the OpenAPI description at `/api/openapi.json`.

Lists come in pages: `next` of one answer is the `after` of the next call. A request for up to 100 rows counts as
viewing. More rows, up to 1,000, count as an export, which needs the right to export and is in the audit history.

A call rejects an unknown parameter or field, and one that is given twice, with status 422: `depositDate: no such
field`, `since: given more than once`. Dates are `YYYY-MM-DD`, amounts plain decimals such as `25.00`. Ids are not
trimmed: an id with a blank at an end is unknown or refused.

"""
_HTTP_METHODS = ("get", "post", "put", "patch", "delete")
Json = dict[str, Any]


def render_page() -> str:
    """Return the page. It has an overview of the calls, and sections for each call, the errors and each JSON object."""
    described = describe()
    calls = list(_operations(described))
    overview = table(("Call", "Purpose"), [(code(name), call["description"]) for name, call in calls])
    sections = "".join(_call_section(name, call) for name, call in calls)
    errors = table(("Status", "Meaning"), _error_rows(calls))
    objects = "".join(_object_section(*each) for each in sorted(described["components"]["schemas"].items()))
    return (
        f"{heading('API', 'the routes of the console')}{_INTRODUCTION}{overview}{sections}\n## Errors\n\n"
        f"An error is a `Problem`: what happened, and what to do next.\n\n{errors}\n## Objects\n{objects}"
    )


def describe() -> Json:
    """Return the OpenAPI description of the console. PostgreSQL and Redis need not run."""
    engines = Engines.from_urls("postgresql://nobody@127.0.0.1/none", "redis://127.0.0.1/0")
    return create_app(read_settings({}), engines).openapi()


def _operations(described: Json) -> Iterator[tuple[str, Json]]:
    for path, methods in described["paths"].items():
        for method in _HTTP_METHODS:
            if method in methods:
                yield f"{method.upper()} {path}", methods[method]


def _call_section(name: str, call: Json) -> str:
    parameters = [
        (code(each["name"]), describe_type(each["schema"]), _default_text(each)) for each in call.get("parameters", [])
    ]
    parts = [f"\n## {name}\n", f"{call['description']}\n"]
    if parameters:
        parts.append(table(("Parameter", "Type", "Default"), parameters))
    if "requestBody" in call:
        parts.append(f"Body: {describe_type(_json_schema_of(call['requestBody']))}.\n")
    if answer := _json_schema_of(call["responses"]["200"]):
        parts.append(f"Answer: {describe_type(answer)}.\n")
    return "\n".join(parts)


def _json_schema_of(content: Json) -> Json:
    schema: Json = content.get("content", {}).get("application/json", {}).get("schema", {})
    return schema


def _default_text(parameter: Json) -> str:
    if parameter["required"]:
        return "required"
    value = parameter["schema"].get("default")
    return code(str(value).lower() if isinstance(value, bool) else value) if value is not None else ""


def _error_rows(calls: list[tuple[str, Json]]) -> list[tuple[str, str]]:
    found = {status: answer["description"] for _, call in calls for status, answer in call["responses"].items()}
    return sorted((status, meaning) for status, meaning in found.items() if status != "200")


def _object_section(name: str, schema: Json) -> str:
    parts = [f"\n### {name}\n"]
    if "description" in schema:
        parts.append(f"{schema['description']}\n")
    if "enum" in schema:
        parts.append(f"One of {', '.join(code(value) for value in schema['enum'])}.\n")
    if fields := schema.get("properties"):
        required = set(schema.get("required", ()))
        rows = [(code(key), describe_type(each), "yes" if key in required else "") for key, each in fields.items()]
        parts.append(table(("Field", "Type", "Required"), rows))
    return "\n".join(parts)
