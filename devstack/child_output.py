"""Where the output of child processes goes, line by line: to our own stdout, and to a file for each; knows no child."""

import contextlib
import itertools
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, TextIO

from config.settings import LogFormat

_FILE_BYTES_MAX = 5_000_000
_LINE_BYTES_MAX = 64_000
_COLOURS = (36, 33, 35, 32, 34, 96, 93, 95)


class ChildOutput:
    """Takes what children write, in pieces as they come, and passes it on in whole lines with the child's name."""

    def __init__(self, folder: Path, stream: TextIO, log_format: LogFormat) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder = folder
        self._stream: TextIO | None = stream
        self._json = log_format == "json"
        self._coloured = stream.isatty()
        self._started: dict[str, bytes] = {}
        self._files: dict[str, BinaryIO] = {}
        self._colour_of: dict[str, int] = {}
        self._colours = itertools.cycle(_COLOURS)

    def take(self, name: str, piece: bytes) -> None:
        """Take a piece of a child's output; a line goes on as soon as it is whole, or longer than anyone reads."""
        *lines, rest = (self._started.pop(name, b"") + piece).split(b"\n")
        for line in lines:
            self._pass_on(name, line)
        if len(rest) > _LINE_BYTES_MAX:
            self._pass_on(name, rest)
        elif rest:
            self._started[name] = rest

    def end(self, name: str) -> None:
        """Pass on what the child began and did not finish."""
        if rest := self._started.pop(name, b""):
            self._pass_on(name, rest)

    def close(self) -> None:
        """Close the files."""
        for name in list(self._started):
            self.end(name)
        for file in self._files.values():
            file.close()
        self._files.clear()

    def _pass_on(self, name: str, line: bytes) -> None:
        self._file(name).write(line + b"\n")
        if self._stream is None:
            return
        text = line.decode(errors="replace")
        try:
            self._stream.write((self._as_json(name, text) if self._json else self._as_column(name, text)) + "\n")
            self._stream.flush()
        except (OSError, ValueError):
            # The terminal is gone; the files stay.
            self._stream = None

    def _as_json(self, name: str, text: str) -> str:
        """Leave what is JSON already as it is; the engines write plain text."""
        if text.startswith("{"):
            with contextlib.suppress(ValueError):
                json.loads(text)
                return text
        now = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        return json.dumps({"timestamp": now, "process": name, "event": text})

    def _as_column(self, name: str, text: str) -> str:
        prefix = f"{name:<11}|"
        if self._coloured:
            if name not in self._colour_of:
                self._colour_of[name] = next(self._colours)
            prefix = f"\x1b[{self._colour_of[name]}m{prefix}\x1b[0m"
        return f"{prefix} {text}"

    def _file(self, name: str) -> BinaryIO:
        path = self._folder / f"{name}.log"
        file = self._files.get(name)
        if file is not None and file.tell() > _FILE_BYTES_MAX:
            file.close()
            path.replace(path.with_name(f"{name}.log.1"))
            file = None
        if file is None:
            file = self._files[name] = path.open("ab", buffering=0)
        return file
