"""Files with one event per line, for `payments emr publish` and `payments company late-events`.

The line of an unsigned event is its JSON. The bytes of a signed event must not change, and can contain line ends. So
the line of a signed event is another JSON object, with the bytes in base64 and the signature:
`{"event_base64": "...", "signature": "..."}`.
"""

import base64
import codecs
import json
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import BinaryIO, Self

from config.signing_keys import read_keys
from console.errors import CommandError
from emr.client import Sign, SigningKey
from payments.contract.partial_event import read_partial_event

# A limit for reading, far above that of an event, which Billing checks.
_LINE_BYTES_MAX = 1024 * 1024
_BODY, _SIGNATURE = "event_base64", "signature"


class SignedBody(bytes):
    """The bytes of an event that already has a signature."""

    signature: str

    @classmethod
    def with_signature(cls, body: bytes, signature: str) -> Self:
        """Return the bytes of an event together with their signature."""
        signed = cls(body)
        signed.signature = signature
        return signed


def to_line(body: bytes, signature: str | None) -> bytes:
    """Return the line of a valid event, without a line end.

    In an unsigned event, line ends become spaces. JSON has line ends only between its tokens, so the event stays the
    same.
    """
    if signature is None:
        return body.replace(b"\r", b" ").replace(b"\n", b" ")
    return json.dumps({_BODY: base64.b64encode(body).decode(), _SIGNATURE: signature}).encode()


def read_lines(file: BinaryIO) -> Iterator[bytes]:
    """Yield the events of a file.

    Blank lines, line ends and a byte order mark at the beginning of the file are left out.

    The event of a line with a signature is a SignedBody. Raises CommandError if the file is in UTF-16, or if a line is
    too long. The events are not validated, because only Billing does this.
    """
    for number in count(1):
        line = file.readline(_LINE_BYTES_MAX + 1)
        if not line:
            return
        if number == 1:
            if line.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
                raise CommandError("line 1: the file is UTF-16; save it as UTF-8. Nothing was published", exit_status=2)
            line = line.removeprefix(codecs.BOM_UTF8)
        if len(line) > _LINE_BYTES_MAX:
            problem = f"line {number}: more than {_LINE_BYTES_MAX:,} bytes; the lines before it may have been published"
            raise CommandError(problem, exit_status=2)
        if line.strip():
            yield _event_of(line.rstrip(b"\r\n"))


def load_signing_function(path: Path) -> Sign:
    """Return a function that signs an event with the last key that a key file has for the event's company.

    If the company has no key, the returned function returns None.
    """
    last = {company: SigningKey(*list(keys.items())[-1]) for company, keys in read_keys(path).items()}

    def sign(body: bytes) -> str | None:
        key = last.get(read_partial_event(body).company_id or "")
        return key.sign(body) if key else None

    return sign


def keeping_signatures(sign: Sign | None) -> Sign:
    """Return a function that signs an event with `sign`.

    Without a signature from `sign`, a SignedBody keeps its own signature, and any other event gets None.
    """

    def sign_or_keep(body: bytes) -> str | None:
        signature = sign(body) if sign else None
        return body.signature if signature is None and isinstance(body, SignedBody) else signature

    return sign_or_keep


def _event_of(line: bytes) -> bytes:
    if _BODY.encode() not in line:
        return line
    try:
        fields = json.loads(line)
        if fields.keys() == {_BODY, _SIGNATURE} and isinstance(fields[_SIGNATURE], str):
            return SignedBody.with_signature(base64.b64decode(fields[_BODY], validate=True), fields[_SIGNATURE])
    except (ValueError, TypeError, AttributeError, RecursionError):
        pass  # not such a line
    return line
