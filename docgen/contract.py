"""The JSON Schema and the AsyncAPI description of the event contract, generated from the event models."""

import json

import yaml

from docgen.contract_words import EXAMPLE_BY_MODEL, MEANING_BY_FIELD, Json
from emr.client import STREAM_DEFAULT
from payments.contract.event import EVENT_CONTRACT
from payments.contract.size_limit import EVENT_BYTES_MAX
from payments.contract.stream_partition import stream_number

SCHEMA_FILE, ASYNCAPI_FILE = "events.schema.json", "asyncapi.yaml"
VERSION = "1.2.0"

_UUID_PATTERN = "^[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$"
_HOUR, _SIXTIETH = "(?:[01][0-9]|2[0-3])", "[0-5][0-9]"

# The rules of a payment that concern more than one field.
_NOT_NEGATIVE, _NOT_POSITIVE = r"^(?:[^-]|-[0.]+$)", r"^(?:-|0+\.00$)"
_AMOUNT_RULES: Json = {
    "if": {"properties": {"refund_of": {"enum": [None, ""]}}},
    "then": {
        "description": "Unless refund_of names the refunded line, no amount is negative, and a line that is marked "
        "Paid and has an amount due has an amount paid.",
        "properties": {
            "amount_due": {"pattern": _NOT_NEGATIVE},
            "amount_paid": {"pattern": _NOT_NEGATIVE},
        },
        "if": {"properties": {"paid": {"const": True}, "amount_due": {"pattern": "[1-9]"}}},
        "then": {"properties": {"amount_paid": {"pattern": "[1-9]"}}},
    },
    "else": {
        "description": "No amount of a refund line is above 0.00. A line never refunds itself.",
        "properties": {
            "amount_due": {"pattern": _NOT_POSITIVE},
            "amount_paid": {"pattern": _NOT_POSITIVE},
        },
    },
}


def json_schema() -> Json:
    """Return the JSON Schema of an event.

    The schema has patterns and descriptions for the checks of the models' validator functions.
    """
    generated = EVENT_CONTRACT.json_schema()
    schemas = {name: _definition(name, schema) for name, schema in generated["$defs"].items()}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:payments:contract:events:1",
        "title": "Event of the payment feed",
        "description": "One JSON object in the field `event` of a stream entry. Unknown keys are allowed, ignored and "
        "never stored.",
        "oneOf": generated["oneOf"],
        "$defs": schemas,
    }


def _definition(name: str, schema: Json) -> Json:
    if "properties" not in schema:
        return {key: value for key, value in schema.items() if key != "title"}
    fields = {field: _field(field, form) for field, form in schema["properties"].items()}
    rules = _AMOUNT_RULES if name == "PaymentSaved" else {}
    return schema | {"properties": fields, "additionalProperties": True, "examples": [EXAMPLE_BY_MODEL[name]]} | rules


def _field(name: str, schema: Json) -> Json:
    form = schema.get("description")
    described = {"description": MEANING_BY_FIELD[name] + (f"; {form}" if form and "const" not in schema else "")}
    return _add_constraints({key: value for key, value in schema.items() if key != "title"}) | described


def _add_constraints(schema: Json) -> Json:
    """Add patterns to a schema that express the checks of the models' validator functions as far as possible."""
    match schema:
        case {"anyOf": list(forms)}:
            return schema | {"anyOf": [_add_constraints(form) for form in forms]}
        case {"format": "uuid"}:
            return schema | {"pattern": _UUID_PATTERN}
        case {"maxLength": _} if "pattern" not in schema:
            return schema | {"pattern": r"^[^\u0000]*$"}
        case {"pattern": str(pattern)}:
            # In some languages \d matches the digits of every script.
            exact = pattern.replace(r"\d{2}:\d{2}", f"{_HOUR}:{_SIXTIETH}").replace(r":\d{2}", f":{_SIXTIETH}")
            form = {"format": "date"} if exact.endswith(r"-\d{2}$") else {}
            return schema | {"pattern": exact.replace(r"\d", "[0-9]")} | form
    return schema


def asyncapi() -> Json:
    """Return the AsyncAPI document: the streams as channels, the fields of an entry, and the messages."""
    messages = {name: _message(name, example) for name, example in EXAMPLE_BY_MODEL.items()}
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Integrated patient payments: the payment feed",
            "version": VERSION,
            "description": "An EMR adds one entry to a Redis stream for every save of a payment, a patient or a "
            "charge. Billing reads each entry, and deletes it after the result is committed.",
        },
        "defaultContentType": "application/json",
        "servers": {
            "feed": {
                "host": "redis.example:6379",
                "pathname": "/0",
                "protocol": "redis",
                "description": "Redis 6.2 or newer, or Valkey; rediss:// for an encrypted connection.",
                "security": [{"type": "userPassword"}],
            }
        },
        "channels": {"payments": _main_channel(), "paymentsOfACompany": _numbered_channel()},
        "operations": {
            "importEvent": {
                "action": "receive",
                "channel": {"$ref": "#/channels/payments"},
                "summary": "Billing imports the event, holds it, or stores the reason why it stays out.",
            }
        },
        "components": {"messages": messages},
    }


def _main_channel() -> Json:
    return {
        "address": STREAM_DEFAULT,
        "title": "The event stream",
        "description": "A Redis stream; PAYMENTS_STREAM sets another name. Publish each event with one XADD. The "
        "consumer group `billing` reads it. The field `event` of an entry holds the message as JSON in UTF-8, "
        f"{EVENT_BYTES_MAX:,} bytes at most. A larger event is rejected; its hash and its first bytes are kept. A "
        "company that signs its events adds the field `signature`: the name of a key agreed on with Billing, a colon, "
        "and the HMAC-SHA256 of the bytes of `event` with that key, in hexadecimal digits. A publisher that is traced "
        "adds `traceparent`. Other fields are ignored.",
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in EXAMPLE_BY_MODEL},
        "x-redis-command": f"XADD {STREAM_DEFAULT} * event <message>",
        "x-redis-entry": {
            "type": "object",
            "required": ["event"],
            "properties": {
                "event": {"type": "string", "contentMediaType": "application/json", "maxLength": EVENT_BYTES_MAX},
                "signature": {"type": "string", "pattern": "^[A-Za-z0-9._-]{1,64}:[0-9a-f]{64}$"},
                "traceparent": {
                    "type": "string",
                    "description": "The publisher's W3C Trace Context. If Billing is traced, its spans belong to "
                    "the same trace.",
                },
            },
        },
    }


def _numbered_channel() -> Json:
    return {
        "address": STREAM_DEFAULT + ":{n}",
        "title": "A numbered stream of a partitioned feed",
        "description": "If Billing has PAYMENTS_STREAMS above 1, a publisher may put the events of a company on the "
        "stream with its number. The unnumbered stream is always read as well.",
        "parameters": {
            "n": {
                "description": "The first four bytes of SHA-256 over company_id in UTF-8, as a big-endian whole "
                "number, modulo PAYMENTS_STREAMS.",
                "examples": [str(stream_number(EXAMPLE_BY_MODEL["PaymentSaved"]["company_id"], 8))],
            }
        },
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in EXAMPLE_BY_MODEL},
    }


def _message(name: str, example: Json) -> Json:
    return {
        "name": example["type"],
        "summary": EVENT_CONTRACT.json_schema()["$defs"][name]["description"],
        "contentType": "application/json",
        "payload": {"$ref": f"./{SCHEMA_FILE}#/$defs/{name}"},
        "examples": [{"name": example["type"], "payload": example}],
    }


def render_documents() -> dict[str, str]:
    """Return the text of each file of the published contract, by file name."""
    head = "# Generated from payments/contract/event.py by `make docs-reference`. Edit the source, not this file.\n"
    return {
        SCHEMA_FILE: json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n",
        ASYNCAPI_FILE: head + yaml.safe_dump(asyncapi(), sort_keys=False, allow_unicode=True, width=118),
    }
