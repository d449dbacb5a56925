"""The folder of an exported company. It has a file for each table, and the manifest, which is written last.

A folder without a manifest is not a complete export. The files contain patient data, and only their owner can read
them.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from console.errors import CommandError
from payments.core.company_move import ExportedTable, Manifest, MoveError

MANIFEST, UNFINISHED = "manifest.json", "unfinished.json"
_BLOCK_BYTES = 1024 * 1024
OnBytes = Callable[[int], None]
"""A function to call with the number of bytes that were read or written since the last call."""


def begin(folder: Path, company_id: str) -> Manifest | None:
    """Prepare a folder for the export of a company. If the folder holds a complete export of it, return the manifest.

    Otherwise return None: create the folder if it is missing, and remove the files of an interrupted export of this
    company. Raises CommandError if the folder holds anything else.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    names = {each.name for each in folder.iterdir()}
    if MANIFEST in names:
        manifest = read_manifest(folder)
        if manifest.company_id != company_id:
            raise CommandError(f"{folder} holds the export of company {manifest.company_id}; choose another directory")
        return manifest
    if UNFINISHED in names:
        found = json.loads((folder / UNFINISHED).read_text() or "{}").get("company")
        if found not in {company_id, None}:
            raise CommandError(f"{folder} holds an unfinished export of company {found}; choose another directory")
    elif names:
        raise CommandError(f"{folder} is not empty; choose another directory")
    for left_over in folder.glob("*.copy"):
        left_over.unlink()
    _write(folder / UNFINISHED, json.dumps({"company": company_id}))
    return None


def write_table(
    folder: Path, name_and_columns: tuple[str, tuple[str, ...]], blocks: Iterable[bytes], on_bytes: OnBytes
) -> ExportedTable:
    """Write the rows of a table to its file. Return the file's entry in the manifest.

    `name_and_columns` are the name and the columns of the table. `blocks` are its rows in the text format of COPY: each
    line is a row, and a line end inside a value is escaped. `on_bytes` is called with the size of each block.
    """
    digest, rows, size = hashlib.sha256(), 0, 0
    with open(_table_file(folder, name_and_columns[0]), "wb", opener=_open_private) as file:
        for block in blocks:
            file.write(block)
            digest.update(block)
            rows += block.count(b"\n")
            size += len(block)
            on_bytes(len(block))
        file.flush()
        os.fsync(file.fileno())
    return ExportedTable(*name_and_columns, rows, size, digest.hexdigest())


def finish(folder: Path, manifest: Manifest) -> None:
    """Write the manifest, which completes the export. After a crash, the folder has the whole manifest or none."""
    written = folder / f"{MANIFEST}.new"
    _write(written, manifest.to_json())
    written.rename(folder / MANIFEST)
    (folder / UNFINISHED).unlink(missing_ok=True)


def read_manifest(folder: Path) -> Manifest:
    """Return the manifest of a folder. Raises CommandError if there is no manifest, or if it is damaged."""
    path = folder / MANIFEST
    if not path.is_file():
        is_unfinished = (folder / UNFINISHED).exists()
        problem = "an unfinished export; repeat `payments company export`" if is_unfinished else "no exported company"
        raise CommandError(f"{folder} holds {problem}")
    try:
        return Manifest.from_json(path.read_text())
    except (MoveError, UnicodeDecodeError) as error:
        raise CommandError(f"{path}: {error}") from None


def check_files(folder: Path, manifest: Manifest, on_bytes: OnBytes) -> None:
    """Compare the files with the manifest. Raises CommandError if a file is missing or damaged."""
    for each in manifest.tables:
        path, digest, size = _table_file(folder, each.table), hashlib.sha256(), 0
        if not path.is_file():
            raise CommandError(f"{path} is missing; copy the whole directory again")
        for block in blocks(folder, each, on_bytes):
            digest.update(block)
            size += len(block)
        if (size, digest.hexdigest()) != (each.bytes, each.sha256):
            raise CommandError(f"{path} is damaged: its checksum differs from the manifest; copy it again")


def blocks(folder: Path, exported: ExportedTable, on_bytes: OnBytes) -> Iterator[bytes]:
    """Yield the content of a table's file block by block."""
    with _table_file(folder, exported.table).open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            on_bytes(len(block))
            yield block


def _table_file(folder: Path, table: str) -> Path:
    return folder / f"{table}.copy"


def _write(path: Path, content: str) -> None:
    with open(path, "w", encoding="utf-8", opener=_open_private) as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _open_private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
