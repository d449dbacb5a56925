"""What the pages for operators tell people to type and to open is there."""

import re
import shlex
from pathlib import Path

import pytest
import yaml

from config.settings import VARIABLES
from console.cli import main
from console.web.app import PAGES

ROOT = Path(__file__).resolve().parents[2]
PAGES_READ = (
    "how-to/workflows",
    "how-to/publish-from-an-emr",
    "upgrades",
    "explanation/scaling",
    "explanation/security",
)
TEXTS = {name: (ROOT / "docs" / f"{name}.md").read_text() for name in PAGES_READ}
TEXTS["README"] = (ROOT / "README.md").read_text()


def commands(name):
    """Return what a page tells to type; what a block of the README's tour holds is run by tests/acceptance."""
    found = re.findall(r"`(payments [^`]+)`|^ {4,}(payments [^#\n]+)", TEXTS[name], re.MULTILINE)
    return [" ".join((inline or block).split()) for inline, block in found]


def parsed(words):
    """Return the command that the words name, and the words that are left."""
    command = main.command()
    while words and words[0] in getattr(command, "commands", {}):
        command = command.commands[words[0]]
        words = words[1:]
    return command, words


@pytest.mark.parametrize("typed", sorted({each for name in TEXTS for each in commands(name)}))
def test_a_command_exists_with_its_options(typed):
    command, rest = parsed(shlex.split(typed)[1:])
    options = {option for parameter in command.params for option in parameter.opts}

    assert not hasattr(command, "commands") or rest == ["..."], "it names no command"
    assert [word for word in rest if word.startswith("--") and word not in options] == []


def test_a_page_exists():
    routes = {route.path for page in PAGES for route in page.router.routes}
    named = {path for row in TEXTS["how-to/workflows"].splitlines() for path in re.findall(r"\| `(/[a-z-]*)` \|", row)}

    assert len(named) > 8
    assert named <= routes


@pytest.mark.parametrize("name", PAGES_READ)
def test_a_setting_and_a_file_that_is_named_exists(name):
    settings = set(re.findall(r"\bPAYMENTS_[A-Z_]+", TEXTS[name]))
    files = re.findall(r"`((?:config|console|docs|emr|payments|tasks|tests|workers)/[\w/.]+)`", TEXTS[name])

    assert settings <= {*VARIABLES}
    assert [file for file in files if not (ROOT / file).exists()] == []


def test_every_hook_calls_a_tool_of_the_environment():
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
    called = {hook["id"]: hook["entry"].split()[0] for hook in hooks}

    assert set(called.values()) == {f".venv/bin/{tool}" for tool in ("ruff", "mypy", "lint-imports", "python")}
    make = (ROOT / "Makefile").read_text()
    assert [entry for entry in called.values() if entry.replace(".venv/bin", "$(BIN)") not in make] == []
