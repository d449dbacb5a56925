"""The commands, settings, files and console pages that the documents name exist."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

from config.settings import VARIABLES
from console.cli import main
from console.web.app import PAGES

ROOT = Path(__file__).resolve().parents[2]
GENERATED_PAGES = {"api", "cli", "metrics", "roles", "schedule", "settings"}
TEXT_BY_PAGE = {
    path.relative_to(ROOT).as_posix(): path.read_text()
    for path in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    if path.parent.name != "decisions" and path.stem not in GENERATED_PAGES
}


def commands_on_page(name):
    """Return the commands on a page of the documentation: in text, code blocks and table cells."""
    blocks = re.findall(r"^ *```(?:sh|bash)?\n(.*?)^ *```", TEXT_BY_PAGE[name], re.MULTILINE | re.DOTALL)
    indented = re.findall(r"^ {4,}(payments [^#\n]+)", TEXT_BY_PAGE[name], re.MULTILINE)
    in_blocks = [found for block in blocks for found in re.findall(r"^ *(payments [^#\n<]+)", block, re.MULTILINE)]
    inline = re.findall(r"`(payments [^`]+)`", TEXT_BY_PAGE[name])
    return [" ".join(typed.split()) for typed in (*inline, *indented, *in_blocks)]


def parse_command(words):
    """Return the command that `words` begin with, and the remaining words."""
    command: Any = main.command()
    while words and words[0] in getattr(command, "commands", {}):
        command = command.commands[words[0]]
        words = words[1:]
    return command, words


@pytest.mark.parametrize("typed", sorted({each for name in TEXT_BY_PAGE for each in commands_on_page(name)}))
def test_documented_command_exists_with_its_options(typed):
    command, rest = parse_command(shlex.split(typed)[1:])
    options = {option for parameter in command.params for option in parameter.opts}

    assert not hasattr(command, "commands") or rest == ["..."], "it names no command"
    assert [word for word in rest if word.startswith("--") and word not in {*options, "--help"}] == []


def test_named_console_page_exists():
    routes = {route.path for page in PAGES for route in page.router.routes}
    named = {path for text in TEXT_BY_PAGE.values() for path in re.findall(r"\*\* \(`(/[a-z-]*)`\)", text)}

    assert named <= routes


def test_every_console_page_is_in_the_reference():
    listed = set(re.findall(r"`(/[a-z/-]*)`", TEXT_BY_PAGE["docs/reference/pages.md"]))
    pages = {route.path for page in PAGES for route in page.router.routes if route.methods == {"GET"}}

    assert {path for path in pages if "{" not in path and not path.startswith("/api/")} == listed


@pytest.mark.parametrize("name", TEXT_BY_PAGE)
def test_named_setting_and_file_exist(name):
    settings = set(re.findall(r"\bPAYMENTS_[A-Z_]+[A-Z]", TEXT_BY_PAGE[name]))
    files = re.findall(r"`((?:config|console|docs|emr|payments|tasks|tests|workers)/[\w/.]+)`", TEXT_BY_PAGE[name])

    assert settings <= {*VARIABLES}
    assert [file for file in files if not (ROOT / file).exists()] == []


def test_pre_commit_hooks_call_tools_from_the_virtualenv():
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
    called = {hook["id"]: hook["entry"].split()[0] for hook in hooks}

    assert set(called.values()) == {f".venv/bin/{tool}" for tool in ("ruff", "mypy", "lint-imports", "python")}
    make = (ROOT / "Makefile").read_text()
    assert [entry for entry in called.values() if entry.replace(".venv/bin", "$(BIN)") not in make] == []
