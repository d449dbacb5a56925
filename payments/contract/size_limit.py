"""How large an event may be, and what is known of one that is larger; reads no event."""

import hashlib
from typing import NamedTuple, Self

EVENT_BYTES_MAX = 65_536
KEPT_BYTES = 4_096
"""So much of the beginning is kept of an event that is too large."""


class BodyDigest(NamedTuple):
    """The size and the hash of a body, of which no more than the beginning may be here."""

    byte_count: int
    sha256: bytes

    @classmethod
    def of(cls, body: bytes) -> Self:
        """Measure a body that is here whole."""
        return cls(len(body), hashlib.sha256(body).digest())

    @property
    def size_error(self) -> str:
        """What is said of one that is too large."""
        return (
            f"{self.byte_count:,} bytes; expected at most {EVENT_BYTES_MAX:,}. "
            f"Kept are the first {KEPT_BYTES:,} and the SHA-256 {self.sha256.hex()}"
        )
