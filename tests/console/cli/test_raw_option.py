"""Commands that print CSV accept `--raw`, which leaves text unchanged. With another format they refuse `--raw`."""

import pytest

from console.cli import main
from tests.console.cli.test_random_arguments import commands_of
from tests.console.conftest import Terminal

pytestmark = pytest.mark.slow

COMMANDS_WITH_CSV = [
    (path, [name for option in command.params for name in option.opts], command)
    for path, command in commands_of(main.command())
    if any("--format" in option.opts for option in command.params)
]
_VALUE_BY_ARGUMENT = {"month": "2026-10", "company": "acme"} | dict.fromkeys(
    ("exception_id", "drawer_id", "deposit_id"), "17"
)


@pytest.mark.parametrize(
    ("path", "options"), [each[:2] for each in COMMANDS_WITH_CSV], ids=[" ".join(each[0]) for each in COMMANDS_WITH_CSV]
)
def test_command_that_prints_csv_accepts_raw(path: tuple[str, ...], options: list[str]) -> None:
    assert "--raw" in options


@pytest.mark.parametrize("path", [each[0] for each in COMMANDS_WITH_CSV], ids=" ".join)
@pytest.mark.parametrize("form", ["table", "json"])
def test_raw_in_another_format_is_refused_before_the_command_acts(
    unconfigured_terminal: Terminal, path: tuple[str, ...], form: str
) -> None:
    (command,) = (each[2] for each in COMMANDS_WITH_CSV if each[0] == path)
    required = [
        part
        for each in command.params
        if each.required
        for value in [_VALUE_BY_ARGUMENT.get(each.name, "x")]
        for part in ([value] if each.param_type_name == "argument" else [each.opts[0], value])
    ]

    result = unconfigured_terminal.run(*path, *required, "--raw", "--format", form)

    assert (result.status, result.out) == (2, "")
    assert result.err == "payments: --raw requires --format csv\n"
