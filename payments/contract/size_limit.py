"""The size limit of events, and the digest that is stored of an oversized one."""

import hashlib
from typing import NamedTuple, Self

EVENT_BYTES_MAX = 65_536
KEPT_BYTES = 4_096
"""The number of bytes that are stored of the beginning of an oversized event."""


class BodyDigest(NamedTuple):
    """The size and the SHA-256 of a body, of which only the beginning may be stored."""

    byte_count: int
    sha256: bytes

    @classmethod
    def of(cls, body: bytes) -> Self:
        """Return the digest of a complete body."""
        return cls(len(body), hashlib.sha256(body).digest())

    @property
    def size_error(self) -> str:
        """The error message for an oversized event."""
        return (
            f"{self.byte_count:,} bytes; expected at most {EVENT_BYTES_MAX:,}. "
            f"Kept are the first {KEPT_BYTES:,} and the SHA-256 {self.sha256.hex()}"
        )
