"""Commands that change data: settings, requeue, emr publish, simulate and replay-synthea."""

import json
import sys
from io import BytesIO, TextIOWrapper
from pathlib import Path

import pytest
import redis

from payments.contract.event import ChargeType
from tests.builders.committed import CommittedLedger
from tests.builders.events import saved_patient, saved_payment
from tests.console.conftest import UNREACHABLE_REDIS_URL, Terminal

ALL_TYPES = [str(kind) for kind in ChargeType]
STREAM = "emr:payments"


def published_bodies(feed: redis.Redis) -> list[bytes]:
    return [fields[b"event"] for _, fields in feed.xrange(STREAM)]


def test_settings_show_prints_the_settings(terminal: Terminal) -> None:
    result = terminal.run("settings", "set", "s1", "--company", "c", "--integration", "on", "--types", "copay, Other")

    assert (result.status, result.out) == (0, "Clinic s1 of company c: integration on; Copay, Other.\n")
    assert terminal.run("settings", "show", "s1", "--format", "json").rows == [
        {"clinic": "s1", "company": "c", "integration": "on", "types": ["Copay", "Other"]}
    ]


def test_omitted_clinic_settings_stay_unchanged(terminal: Terminal) -> None:
    terminal.run(*"settings set s2 --company c --integration on --types all".split())
    terminal.run(*"settings set s2 --company c --integration off".split())

    (row,) = terminal.run(*"settings show s2 --format json".split()).rows
    assert (row["integration"], row["types"]) == ("off", ALL_TYPES)


@pytest.mark.usefixtures("feed")
def test_requeue_skips_imported_payments(terminal: Terminal, billing: CommittedLedger) -> None:
    billing.set_clinic("r1", ChargeType.COPAY)
    here = {"clinic_id": "r1", "patient_id": "pat-r1"}
    billing.import_events(
        saved_patient("pat-r1"),
        saved_payment("5.00", payment_id="in", **here),
        saved_payment("6.00", payment_id="out", charge_type="Other", **here),
    )

    result = terminal.run("requeue", "r1/out/1", "r1/in/1")

    assert (result.status, result.err) == (0, "")
    assert result.out.splitlines()[-1] == "1 payment requeued"
    assert [line.split(":")[0] for line in result.out.splitlines()[:-1]] == ["r1/in/1"]
    (row,) = terminal.run(*"report claims-feed --clinic r1 --status pending --format json".split()).rows
    assert row["payment"] == "r1/out/1"
    steps = terminal.run(*"timeline r1/out/1 --format json".split()).rows
    assert steps[-1]["who"].startswith("cli:")


def test_requeue_refuses_unknown_keys_and_requeues_the_rest(terminal: Terminal, billing: CommittedLedger) -> None:
    billing.set_clinic("r2", ChargeType.COPAY)
    billing.import_events(
        saved_payment("6.00", payment_id="out", charge_type="Other", clinic_id="r2", patient_id="pat-r2")
    )

    result = terminal.run("requeue", "r2/none/1", "r2/out/1", "r2/nor/1")

    assert (result.status, result.out) == (1, "1 payment requeued\n")
    assert result.err == "payments: there is no payment r2/none/1, r2/nor/1; the Claims Feed prints the keys\n"


def test_requeue_by_status_works_while_redis_does_not_answer(
    terminal: Terminal, billing: CommittedLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    billing.set_clinic("r2", ChargeType.COPAY)
    here = {"clinic_id": "r2", "patient_id": "pat-r2", "charge_type": "Other"}
    billing.import_events(*(saved_payment("5.00", payment_id=number, **here) for number in "abc"))
    monkeypatch.setenv("REDIS_URL", UNREACHABLE_REDIS_URL)

    result = terminal.run(*"requeue --status Not-Sent --reason type-not-selected --clinic r2".split())

    assert (result.status, result.err) == (0, "")
    assert result.out.splitlines() == [
        "3 payments requeued",
        "Redis does not answer. The payments are requeued and will be processed when it is back.",
    ]


def test_publish_sends_each_line_unchanged(terminal: Terminal, feed: redis.Redis, tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    file.write_bytes(b'{"a": 1}\n{broken \xff\r\n\n  {"b": 2}  \n{"last": 3}')

    result = terminal.run("emr", "publish", str(file))

    assert (result.status, result.out) == (0, f"4 events published on {STREAM}\n")
    assert published_bodies(feed) == [b'{"a": 1}', b"{broken \xff", b'  {"b": 2}  ', b'{"last": 3}']


OVERSIZED_EVENT = b'{"memo": "' + b"x" * 70_000 + b'"}'
FILE_AND_PUBLISHED_BODIES = {
    "byte order mark": (b'\xef\xbb\xbf{"a": 1}\n{"b": 2}\n', [b'{"a": 1}', b'{"b": 2}']),
    "byte order mark in the middle": (b'{"a": 1}\n\xef\xbb\xbf{"b": 2}\n', [b'{"a": 1}', b'\xef\xbb\xbf{"b": 2}']),
    "CR LF": (b'{"a": 1}\r\n\r\n{"b": 2}\r\n', [b'{"a": 1}', b'{"b": 2}']),
    "lines of white space": (b'\n \t\n{"a": 1}\n  \r\n\x0c\n', [b'{"a": 1}']),
    "not UTF-8": (b'{"a": "\xff\xfe"}\n\x00\n', [b'{"a": "\xff\xfe"}', b"\x00"]),
    "above the size of an event": (OVERSIZED_EVENT + b'\n{"b": 2}\n', [OVERSIZED_EVENT, b'{"b": 2}']),
    "line separators of Unicode": ('{"a": "\u2028\x85"}\n'.encode(), ['{"a": "\u2028\x85"}'.encode()]),
    "nothing": (b"", []),
    "a byte order mark alone": (b"\xef\xbb\xbf\n", []),
}


@pytest.mark.parametrize(("content", "published"), FILE_AND_PUBLISHED_BODIES.values(), ids=FILE_AND_PUBLISHED_BODIES)
def test_publish_sends_lines_without_file_marks_and_line_ends(
    terminal: Terminal, feed: redis.Redis, tmp_path: Path, content: bytes, published: list[bytes]
) -> None:
    (tmp_path / "events.jsonl").write_bytes(content)

    result = terminal.run("emr", "publish", str(tmp_path / "events.jsonl"))

    assert (result.status, result.err) == (0, "")
    assert published_bodies(feed) == published


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ('{"a": 1}\n'.encode("utf-16"), "line 1: the file is UTF-16; save it as UTF-8. Nothing was published"),
        (b"x" * (1024 * 1024 + 1), "line 1: more than 1,048,576 bytes; the lines before it may have been published"),
    ],
)
def test_publish_refuses_utf_16_and_too_long_lines(
    terminal: Terminal, feed: redis.Redis, tmp_path: Path, content: bytes, expected: str
) -> None:
    (tmp_path / "events.jsonl").write_bytes(content)

    result = terminal.run("emr", "publish", str(tmp_path / "events.jsonl"))

    assert (result.status, result.out, result.err) == (2, "", f"payments: {expected}\n")
    assert published_bodies(feed) == []


def test_publish_reads_stdin(terminal: Terminal, feed: redis.Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", TextIOWrapper(BytesIO(b'{"a": 1}\n')))

    assert terminal.run("emr", "publish", "-").out == f"1 event published on {STREAM}\n"
    assert published_bodies(feed) == [b'{"a": 1}']


def test_simulate_sets_up_clinics_and_is_deterministic(terminal: Terminal, feed: redis.Redis) -> None:
    line = "emr simulate --clinics 2 --days 1 --seed 3 --first-day 2026-06-01".split()
    terminal.run(*line)
    first = published_bodies(feed)
    feed.delete(STREAM)
    terminal.run(*line, "--rate", "10000")

    assert published_bodies(feed) == first
    assert {json.loads(body)["type"] for body in first} >= {"patient.saved", "payment.saved"}
    assert terminal.run(*"settings show clinic-001 --format json".split()).rows[0]["integration"] == "on"


@pytest.mark.usefixtures("feed")
def test_simulate_names_the_clinics_whose_settings_it_replaces(terminal: Terminal) -> None:
    line = "emr simulate --clinics 1 --days 1 --seed 3 --first-day 2026-06-01".split()
    terminal.run(*line)
    again = terminal.run(*line).out
    (row,) = terminal.run(*"settings show clinic-001 --format json".split()).rows
    terminal.run(*f"settings set clinic-001 --company {row['company']} --types Other".split())

    replacing = terminal.run(*line).out

    assert "replaced" not in again
    assert replacing.startswith("Settings replaced by those of the simulation: clinic-001.\n")


def write_synthea_export(folder: Path, *more: str) -> None:
    columns = "ID CLAIMID CHARGEID PATIENTID TYPE METHOD FROMDATE PLACEOFSERVICE NOTES TRANSFERTYPE PAYMENTS PROVIDERID"
    rows = (
        columns.replace(" ", ","),
        "row-1,claim,1,pat,PAYMENT,COPAY,2026-06-01T10:00:00Z,place-1,,,20.00,prov",
        "row-2,claim,2,pat,PAYMENT,COPAY,2026-06-02T10:00:00Z,place-2,,,30.00,prov",
        *more,
    )
    (folder / "claims_transactions.csv").write_text("\n".join(rows) + "\n")
    (folder / "patients.csv").write_text("Id,BIRTHDATE,FIRST,LAST\npat,1990-01-01,Ada,Abbott\n")


@pytest.mark.parametrize(
    "last",
    [
        "row-3,claim,3,pat,PAYMENT,COPAY,2026-06-02T10:00:00Z,place-3,,,40,50,prov",
        "row-3,claim,3,pat,PAYMENT,COPAY,2026-06-02,place-3,,,40.50,prov",
        "row-3,claim,3,eve,PAYMENT,COPAY,2026-06-02T10:00:00Z,place-3,,,40.50,prov",
        "row-1,claim,3,pat,PAYMENT,COPAY,2026-06-02T10:00:00Z,place-3,,,40.50,prov",
    ],
)
def test_damaged_synthea_folder_publishes_nothing_and_changes_no_settings(
    terminal: Terminal, feed: redis.Redis, tmp_path: Path, last: str
) -> None:
    write_synthea_export(tmp_path, last)
    before = terminal.run("settings", "show").out

    refused = terminal.run("emr", "replay-synthea", str(tmp_path))

    assert (refused.status, refused.out) == (1, "")
    assert refused.err.startswith(f"payments: {tmp_path}/claims_transactions.csv: row 4")
    assert refused.err.count("\n") == 1
    assert published_bodies(feed) == []
    assert terminal.run("settings", "show").out == before


def test_replay_synthea_switches_the_integration_on_for_new_clinics_only(
    terminal: Terminal, feed: redis.Redis, tmp_path: Path
) -> None:
    write_synthea_export(tmp_path)
    terminal.run(*"settings set place-2 --company synthea --integration on --types Copay".split())
    terminal.run(*"settings set place-1 --company other --integration on --types Copay".split())

    result = terminal.run("emr", "replay-synthea", str(tmp_path))

    assert result.out.splitlines() == [
        f"3 events published on {STREAM}",
        "2 payments with a total of 50.00 from 2 clinics of company synthea. Clinics newly set up: 1.",
    ]
    kinds = [json.loads(body)["type"] for body in published_bodies(feed)]
    assert kinds == ["patient.saved", "payment.saved", "payment.saved"]
    rows = terminal.run(*"settings show --company synthea --format json".split()).rows
    shown = {row["clinic"]: row["types"] for row in rows}
    assert (shown["place-1"], shown["place-2"]) == (ALL_TYPES, ["Copay"])


@pytest.mark.usefixtures("feed")
@pytest.mark.parametrize("padded", [" {}", "{} ", "\u00a0{}", "{}\t"])
def test_requeue_of_a_padded_key_changes_no_line(terminal: Terminal, billing: CommittedLedger, padded: str) -> None:
    billing.set_clinic("r9", ChargeType.COPAY)
    billing.import_events(saved_payment("6.00", charge_type="Other", clinic_id="r9", patient_id="pat-r9"))
    key = padded.format("r9/payment/1")

    assert terminal.run("requeue", key).status == 1
    assert terminal.run("timeline", key).status == 1
    for report in ("claims-feed", "payment-log"):
        assert terminal.run("report", report, "--clinic", padded.format("r9")).status == 1
    assert terminal.run("report", "exceptions", "--patient", padded.format("r9"), "--format", "json").rows == []
    (row,) = terminal.run(*"report claims-feed --clinic r9 --format json".split()).rows
    assert row["status"] == "Not Sent"
