"""Stream entries: read the event of an entry, and check its size, contract and signature."""

from typing import NamedTuple

from payments.contract.errors import EventError
from payments.contract.event import Event, read_event
from payments.contract.signature import Keyring
from payments.contract.size_limit import EVENT_BYTES_MAX, BodyDigest


class StreamEntry(NamedTuple):
    """A stream entry: its id, the bytes of its event, their signature, and the publisher's trace context.

    `full_digest` is set when a dead letter of an oversized event is retried. `body` is then only the beginning of the
    event, and the digest describes all of it.
    """

    entry_id: str
    body: bytes
    signature: str | None = None
    full_digest: BodyDigest | None = None
    trace: str | None = None

    @property
    def oversize(self) -> BodyDigest | None:
        """The digest of an event that exceeds the size limit and is therefore not parsed; None for other events."""
        if self.full_digest is None and len(self.body) > EVENT_BYTES_MAX:
            return BodyDigest.of(self.body)
        return self.full_digest


def read_entry(entry: StreamEntry, keyring: Keyring) -> Event:
    """Return the event of an entry.

    Raises EventError if the event is oversized, violates the contract, or is signed incorrectly.
    """
    if oversize := entry.oversize:
        raise EventError("event", oversize.size_error)
    event = read_event(entry.body)
    if problem := keyring.problem(event.company_id, entry.body, entry.signature):
        raise EventError("signature", problem)
    return event
