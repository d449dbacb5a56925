"""The help of every command has a description and an example. It starts fast."""

import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from console.cli import main
from console.reports.claims_feed import ClaimsFeedParameters
from console.reports.exceptions import ExceptionsParameters
from console.reports.parameters import parameters_of
from console.reports.payment_log import GROUPS, PaymentLogParameters
from payments.journeys.reporting import GroupBy
from tests.console.conftest import Terminal

DOCUMENTED_COMMANDS = """
payments demo | payments up | payments health | payments wait | payments timeline | payments requeue
payments report | payments report claims-feed | payments report payment-log
payments settings | payments settings set | payments settings show
payments emr | payments emr publish | payments emr simulate | payments emr replay-synthea
""".replace("\n", "|").split("|")


def _command_paths(command: object, *path: str) -> Iterator[tuple[str, ...]]:
    yield path
    for name, child in getattr(command, "commands", {}).items():
        yield from _command_paths(child, *path, name)


COMMAND_PATHS = sorted(_command_paths(main.command()))


def test_commands_match_the_documented_interface() -> None:
    documented = {tuple(line.split()[1:]) for line in DOCUMENTED_COMMANDS if line.strip()}

    assert documented <= set(COMMAND_PATHS)


@pytest.mark.parametrize("command", COMMAND_PATHS, ids=" ".join)
def test_help_has_a_description_and_an_example(command: tuple[str, ...], unconfigured_terminal: Terminal) -> None:
    result = unconfigured_terminal.run(*command, "--help")

    assert (result.status, result.err) == (0, "")
    assert f"Usage: payments {' '.join(command)}".rstrip() in result.out
    assert "Example: " in result.out
    assert "payments " + " ".join(command) in result.out.split("Example: ", 1)[1]
    assert "<" not in result.out.replace("<=x<=", "")  # no names of Python types, such as <int range>


def test_help_names_values_and_wraps_paragraphs_to_the_terminal(
    unconfigured_terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    result = unconfigured_terminal.run("requeue", "--help")

    words = [line.strip(" \u2502").split() for line in result.out.splitlines()]
    assert "Usage: payments requeue [OPTIONS] [KEY]...".split() in words
    assert ["KEY", "Payment", "keys,"] in [line[:3] for line in words]
    assert ["--clinic", "TEXT", "With"] in [line[:3] for line in words]
    assert ["--dry-run", "Show"] in [line[:2] for line in words]
    paragraph = result.out[result.out.index("Payments that are already") : result.out.index("\u256d")].strip()
    assert all(len(line.strip()) > 80 for line in paragraph.splitlines()[:-1])


def test_audit_help_lists_the_event_groups() -> None:
    assert GROUPS.split("|") == list(GroupBy)


@pytest.mark.parametrize(
    ("report", "parameters"),
    [
        ("claims-feed", ClaimsFeedParameters),
        ("payment-log", PaymentLogParameters),
        ("exceptions", ExceptionsParameters),
    ],
)
def test_help_lists_the_choices_of_each_filter_and_others_are_refused(
    report: str, parameters: type, unconfigured_terminal: Terminal
) -> None:
    shown = "".join(unconfigured_terminal.run("report", report, "--help").out.split()).replace("\u2502", "")
    described = parameters_of(parameters).values()
    choices = {each.option: values for each in described if (values := list(each.command_choices()))}

    assert choices
    for option, values in choices.items():
        assert "".join(f"Oneof:{', '.join(values)}.".split()) in shown, option
        refused = unconfigured_terminal.run("report", report, option, "nonsense")
        assert (refused.status, refused.out) == (2, "")
        assert f"choose from: {', '.join(values)}" in refused.err


@pytest.mark.acceptance
def test_help_imports_no_heavy_modules() -> None:
    heavy = {"sqlalchemy", "psycopg", "redis", "celery", "kombu", "pydantic", "alembic", "tornado"}
    program = f"import sys, console.cli.main; print(sorted({heavy!r} & set(sys.modules)))"
    started = time.monotonic()
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)

    assert done.stdout.strip() == "[]"
    assert time.monotonic() - started < 2  # usually 0.2 s; the limit allows for a busy machine
