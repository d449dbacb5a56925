"""Vendored front-end files are unchanged, and have a version and a licence."""

import hashlib
import re
from pathlib import Path

VENDOR_FOLDER = Path(__file__).parents[2] / "console" / "web" / "static" / "vendor"
SUMS_FILE = VENDOR_FOLDER / "SHA256SUMS"


def vendored_names() -> list[str]:
    """Return the names of the vendored files, without their licences."""
    return [path.name for path in VENDOR_FOLDER.iterdir() if path != SUMS_FILE and path.suffix != ".LICENSE"]


def test_each_vendored_file_has_the_recorded_hash() -> None:
    recorded = dict(reversed(line.split()) for line in SUMS_FILE.read_text().splitlines() if not line.startswith("#"))
    found = {name: hashlib.sha256((VENDOR_FOLDER / name).read_bytes()).hexdigest() for name in vendored_names()}

    assert found == recorded


def test_each_vendored_file_has_a_licence_and_a_version() -> None:
    described = re.findall(r"^# (\S+): .+ \d+\.\d+\.\d+, .+$", SUMS_FILE.read_text(), re.MULTILINE)
    licences = {path.stem for path in VENDOR_FOLDER.glob("*.LICENSE")}

    assert sorted(described) == sorted(vendored_names())
    assert {name.partition(".")[0] for name in described} == licences
