"""Importing a module has no side effects, requirements are pinned, and no file has the address of a package index."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.house.source import PRODUCT_FOLDERS, ROOT

IGNORED_FOLDERS = {"__pycache__", "build"}
# Alembic runs this module and passes it a connection.
RUN_BY_ALEMBIC = "payments.store.migrations.env"

# Runs in a separate process. It exits if an import uses the network, starts a program or reads a setting.
IMPORT_ALL_PROGRAM = """
import importlib, os, sys, threading

def watch(event, arguments):
    if event in {"socket.connect", "socket.bind", "socket.getaddrinfo", "subprocess.Popen", "os.fork", "os.system"}:
        raise RuntimeError(f"{event} at import")

class Watched(dict):
    def __getitem__(self, name):
        if name.startswith("PAYMENTS_") or name.endswith("_URL"):
            raise RuntimeError(f"{name} is read at import")
        return super().__getitem__(name)

    def get(self, name, default=None):
        return self[name] if name.startswith("PAYMENTS_") or name.endswith("_URL") else super().get(name, default)

sys.addaudithook(watch)
os.environ = Watched(os.environ)
for name in sys.argv[1:]:
    try:
        importlib.import_module(name)
    except BaseException as error:
        sys.exit(f"{name}: {type(error).__name__}: {error}")
if threading.active_count() > 1:
    sys.exit(f"threads were started: {threading.enumerate()}")
"""


def _module_names() -> Iterator[str]:
    for folder in PRODUCT_FOLDERS:
        for path in sorted((ROOT / folder).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            if name != RUN_BY_ALEMBIC:
                yield name


def _text_files() -> Iterator[Path]:
    for folder, folders, names in os.walk(ROOT):
        folders[:] = [
            name
            for name in folders
            if name not in IGNORED_FOLDERS
            and not name.endswith(".egg-info")
            and (name == ".ci" or not name.startswith("."))
        ]
        yield from (Path(folder) / name for name in names)


def test_importing_a_module_has_no_side_effects() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error::ResourceWarning", "-c", IMPORT_ALL_PROGRAM, *_module_names()],
        check=False,
        capture_output=True,
        cwd=ROOT,
        env={},
        text=True,
    )

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("lock", sorted(ROOT.glob("requirements*")), ids=lambda path: path.name)
def test_requirements_are_pinned_and_hashed(lock: Path) -> None:
    form = re.compile(
        r"[A-Za-z0-9][A-Za-z0-9._-]*(\[[a-z0-9,._-]+\])?==[^\s;]+( ; [^\\]+)? \\|    --hash=sha256:[0-9a-f]{64}( \\)?"
    )
    odd = [
        line for line in lock.read_text().splitlines() if line.strip()[:1] not in {"", "#"} and not form.fullmatch(line)
    ]

    assert odd == []


def test_no_file_names_a_package_index() -> None:
    named = re.compile(
        rb"(?i)https?://[^\s\"')]*(?:py" rb"pi\b|python" rb"hosted|/sim" rb"ple\b)|^\s*(?:extra-)?index-" rb"url\b",
        re.MULTILINE,
    )

    assert [str(path.relative_to(ROOT)) for path in _text_files() if named.search(path.read_bytes())] == []
