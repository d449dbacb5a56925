"""Write the lines that child processes print: to stdout with the child's name, and to a log file for each child."""

import contextlib
import itertools
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, TextIO

from config.setting_types import LogFormat

_FILE_BYTES_MAX = 5_000_000
_LINE_BYTES_MAX = 64_000
_NAME_COLOURS = (36, 33, 35, 32, 34, 96, 93, 95)


class ChildOutput:
    """Collects the output of child processes, and writes it in whole lines.

    When a log file exceeds 5 MB, it is renamed to `NAME.log.1`. An older `NAME.log.1` is overwritten.
    """

    def __init__(self, folder: Path, stream: TextIO, log_format: LogFormat) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder = folder
        self._stream: TextIO | None = stream
        self._json = log_format == "json"
        self._coloured = stream.isatty()
        self._partial_lines: dict[str, bytes] = {}
        self._files: dict[str, BinaryIO] = {}
        self._child_colours: dict[str, int] = {}
        self._next_colour = itertools.cycle(_NAME_COLOURS)

    def write(self, name: str, data: bytes) -> None:
        """Write the complete lines of a child's output. Buffer the last line until it is complete or too long."""
        *lines, rest = (self._partial_lines.pop(name, b"") + data).split(b"\n")
        for line in lines:
            self._write_line(name, line)
        if len(rest) > _LINE_BYTES_MAX:
            self._write_line(name, rest)
        elif rest:
            self._partial_lines[name] = rest

    def flush(self, name: str) -> None:
        """Write the last line of a child that has ended, although the line is incomplete."""
        if rest := self._partial_lines.pop(name, b""):
            self._write_line(name, rest)

    def close(self) -> None:
        """Write all incomplete lines and close the files."""
        for name in list(self._partial_lines):
            self.flush(name)
        for file in self._files.values():
            file.close()
        self._files.clear()

    def _write_line(self, name: str, line: bytes) -> None:
        self._log_file(name).write(line + b"\n")
        if self._stream is None:
            return
        text = line.decode(errors="replace")
        try:
            self._stream.write((self._as_json(name, text) if self._json else self._as_columns(name, text)) + "\n")
            self._stream.flush()
        except (OSError, ValueError):
            # The terminal was closed. The files are still written.
            self._stream = None

    def _as_json(self, name: str, text: str) -> str:
        """Return a line of JSON unchanged. Return a line of plain text as a JSON log event."""
        if text.startswith("{"):
            with contextlib.suppress(ValueError):
                json.loads(text)
                return text
        now = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        return json.dumps({"timestamp": now, "process": name, "event": text})

    def _as_columns(self, name: str, text: str) -> str:
        prefix = f"{name:<11}|"
        if self._coloured:
            if name not in self._child_colours:
                self._child_colours[name] = next(self._next_colour)
            prefix = f"\x1b[{self._child_colours[name]}m{prefix}\x1b[0m"
        return f"{prefix} {text}"

    def _log_file(self, name: str) -> BinaryIO:
        path = self._folder / f"{name}.log"
        file = self._files.get(name)
        if file is not None and file.tell() > _FILE_BYTES_MAX:
            file.close()
            path.replace(path.with_name(f"{name}.log.1"))
            file = None
        if file is None:
            file = self._files[name] = path.open("ab", buffering=0)
        return file
