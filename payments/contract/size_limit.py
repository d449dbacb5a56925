"""Size limit of events. An oversized event is stored as its digest and its first bytes."""

import hashlib
from typing import NamedTuple, Self

EVENT_BYTES_MAX = 65_536
KEPT_BYTES = 4_096
"""The number of bytes that are stored of an oversized event."""


class BodyDigest(NamedTuple):
    """The size in bytes and the SHA-256 of a complete event body."""

    byte_count: int
    sha256: bytes

    @classmethod
    def of(cls, body: bytes) -> Self:
        """Return the digest of a complete body."""
        return cls(len(body), hashlib.sha256(body).digest())

    @property
    def size_error(self) -> str:
        """The error message for an event that is larger than EVENT_BYTES_MAX."""
        return (
            f"{self.byte_count:,} bytes; expected at most {EVENT_BYTES_MAX:,}. "
            f"Kept are the first {KEPT_BYTES:,} and the SHA-256 {self.sha256.hex()}"
        )
