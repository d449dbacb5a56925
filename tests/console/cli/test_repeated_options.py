"""Every command rejects a repeated option. Only options with several values may be repeated."""

from typing import Any

import pytest

from console.cli import main
from tests.console.cli.test_random_arguments import commands_of
from tests.console.conftest import Terminal

pytestmark = pytest.mark.slow

SINGLE_VALUE_OPTIONS = [
    (path, option)
    for path, command in commands_of(main.command())
    for option in command.params
    if option.param_type_name == "option" and not option.multiple and "--help" not in option.opts
]
REPEATABLE_OPTIONS = [
    (" ".join(path), option.opts[0])
    for path, command in commands_of(main.command())
    for option in command.params
    if option.param_type_name == "option" and option.multiple
]


def test_repeatable_options_are_recognized() -> None:
    assert {("users add", "--clinic"), ("users change", "--clinic")} <= set(REPEATABLE_OPTIONS)
    assert len(SINGLE_VALUE_OPTIONS) > 60


@pytest.mark.parametrize(
    ("path", "option"), SINGLE_VALUE_OPTIONS, ids=lambda each: getattr(each, "name", None) or " ".join(each)
)
def test_repeated_option_is_refused(unconfigured_terminal: Terminal, path: tuple[str, ...], option: Any) -> None:
    name = option.opts[0]
    once = [name] if option.is_flag else [name, "1"]

    for line in (once * 2, once * 3):
        result = unconfigured_terminal.run(*path, *line)

        assert (result.status, result.out) == (2, "")
        assert f"'{name}': given {len(line) // len(once)} times; give it once" in result.err
        assert result.err.count("\n") == 1


def test_repeated_types_option_is_rejected(terminal: Terminal) -> None:
    terminal.run(*"settings set repeated --company c --integration on --types Other".split())

    result = terminal.run(*"settings set repeated --company c --types Copay --types=Deductible".split())

    assert result.status == 2
    (row,) = terminal.run(*"settings show repeated --format json".split()).rows
    assert row["types"] == ["Other"]
