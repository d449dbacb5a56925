"""Invalid events do not stop valid events. The reports show each invalid event with its invalid field."""

import json

from tests.acceptance.events import line_key, patient, payment, total_amount, without_field
from tests.acceptance.stack import Stack

CLINIC = "mixed"


def _invalid_events() -> dict[str, tuple[bytes, str]]:
    """Return invalid events by name. Each value is the event and the name of its invalid field."""

    def changed(name: str, field: str, value: object) -> tuple[bytes, str]:
        return json.dumps(payment(CLINIC, name) | {field: value}).encode(), field

    not_utf8 = json.dumps(payment(CLINIC, "not-utf8") | {"memo": "caf?"}).encode().replace(b"?", b"\xe9")
    return {
        "not-json": (b'{"schema": 1, "type": "payment.saved", ', "event"),
        "not-utf8": (not_utf8, "event"),
        "no-object": (b'["payment.saved", 25.00]', "event"),
        "nan": changed("nan", "amount_paid", float("nan")),
        "nan-as-text": changed("nan-as-text", "amount_paid", "NaN"),
        "wrong-type": changed("wrong-type", "type", "payment.moved"),
        "number-as-amount": changed("number-as-amount", "amount_paid", 25.00),
        "unknown-charge-type": changed("unknown-charge-type", "charge_type", "Parking"),
        "three-decimals": changed("three-decimals", "amount_paid", "25.000"),
        "long-memo": changed("long-memo", "memo", "m" * 60_000),
        "too-large": (json.dumps(payment(CLINIC, "too-large") | {"memo": "m" * 1_000_000}).encode(), "event"),
        "version-0": changed("version-0", "version", 0),
        "no-such-date": changed("no-such-date", "transaction_date", "2026-02-30"),
        "no-method": (json.dumps(without_field("method", payment(CLINIC, "no-method"))).encode(), "method"),
    }


def test_invalid_events_are_visible_and_valid_ones_imported(stack: Stack) -> None:
    bad, good = _invalid_events(), [f"good-{number}" for number in range(20)]
    stack.set_clinic(CLINIC, "Copay")
    lines = [json.dumps(payment(CLINIC, name)).encode() for name in good]
    for place, (body, _) in enumerate(bad.values()):
        lines.insert(place * 2, body)
    earlier = len(stack.report("claims-feed", "--status", "Validation Failed"))
    file = stack.home / "mixed.jsonl"
    file.write_bytes(b"\n".join([json.dumps(patient(f"{CLINIC}-ada")).encode(), *lines]) + b"\n")

    stack.run_successfully("emr", "publish", file)
    stack.wait_until_idle()

    feed = stack.claims_feed(CLINIC)
    assert {feed[line_key(CLINIC, name)]["status"] for name in good} == {"Transmission Successful"}
    assert total_amount(stack.payment_log(CLINIC)) == 20 * 25
    refused = stack.report("claims-feed", "--status", "Validation Failed")
    assert len(refused) - earlier == len(bad)
    assert {row["reason"] for row in refused} == {"invalid_event"}
    named = {row["payment"]: row["detail"].partition(":")[0] for row in refused if row["payment"]}
    keyed = {line_key(CLINIC, name): field for name, (_, field) in bad.items() if line_key(CLINIC, name) in named}
    assert {payment_key: named[payment_key] for payment_key in keyed} == keyed
    assert len(keyed) == len(bad) - 3
