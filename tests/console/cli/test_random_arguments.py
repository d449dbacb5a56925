"""`payments` with random arguments succeeds or fails with a one-line error, without a traceback."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from console.cli import main
from tests.builders.committed import CommittedLedger
from tests.builders.events import saved_patient, saved_payment
from tests.console.conftest import Terminal
from tests.console.strategies import numbers_and_days, words
from tests.examples import example_count

pytestmark = pytest.mark.slow

EXAMPLES = example_count(20)
# Commands that run indefinitely, or as long as an argument says.
EXCLUDED_COMMANDS = {"up", "demo", "health", "wait", "emr simulate", "emr payment-log", "emr replay-synthea"}

MORE_WORDS = ("not-sent", "all", "open", "off", "json", "typed", "America/Denver", "typed/payment/1")
ODD_WORDS = ("", " ", "--", "-", "/nowhere/at/all", "é" * 70)
# An argument contains no NUL. Bytes that are not UTF-8 arrive as lone surrogates.
argument_texts = st.text(st.characters(exclude_characters="\0", exclude_categories=()), max_size=20)
odd_arguments = words(*MORE_WORDS, *ODD_WORDS) | argument_texts | numbers_and_days


def commands_of(group: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield each leaf command of `group` with its path."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands_of(command, (*path, name))
        else:
            yield (*path, name), command


TESTED_COMMANDS = sorted(
    (each for each in commands_of(main.command()) if " ".join(each[0]) not in EXCLUDED_COMMANDS),
    key=lambda found: found[0],
)


@st.composite
def command_lines(draw: st.DrawFn) -> list[str]:
    """Draw a command line: a command, some of its options with valid or odd values, and more arguments."""
    path, command = draw(st.sampled_from(TESTED_COMMANDS))
    options = [each for each in command.params if each.param_type_name == "option"]
    line = list(path)
    for option in draw(st.lists(st.sampled_from(options), max_size=4)) if options else ():
        line.append(draw(st.sampled_from(option.opts)))
        if not option.is_flag:
            line.append(draw(odd_arguments))
    return line + draw(st.lists(odd_arguments, max_size=3))


def test_any_arguments_succeed_or_fail_with_one_line(
    terminal: Terminal, billing: CommittedLedger, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    billing.set_clinic("typed")
    billing.import_events(saved_patient(), saved_payment("25.00", clinic_id="typed"), b"no event")

    @settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck))
    @given(command_lines())
    def check(line: list[str]) -> None:
        with contextlib.chdir(tmp_path):  # a drawn name of a spreadsheet is created here
            result = terminal.run(*line)

        assert result.status in {0, 1, 2}
        assert "Traceback" not in result.out + result.err
        if result.status:
            assert result.err.startswith("payments: "), result
            assert result.err.count("\n") == 1, result
            assert "--traceback" not in result.err  # offered only for unexpected errors

    with Path(os.devnull).open() as nothing:
        monkeypatch.setattr("sys.stdin", nothing)
        check()


@pytest.mark.parametrize("path", [path for path, _ in TESTED_COMMANDS], ids=" ".join)
def test_unknown_option_is_named_in_the_error(unconfigured_terminal: Terminal, path: tuple[str, ...]) -> None:
    result = unconfigured_terminal.run(*path, "--no-such-thing")

    assert (result.status, result.out) == (2, "")
    assert "--no-such-thing" in result.err
