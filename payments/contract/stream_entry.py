"""Stream entries: read the event of an entry, and check its size, contract and signature."""

from typing import NamedTuple

from payments.contract.errors import EventError
from payments.contract.event import Event, read_event
from payments.contract.signature import Keyring
from payments.contract.size_limit import EVENT_BYTES_MAX, BodyDigest
from payments.contract.whole_entry import WHOLE_ENTRY_BYTES_MAX, read_whole_entry, whole_entry_error


class StreamEntry(NamedTuple):
    """A stream entry: its id, the bytes of its event, their signature, and the publisher's trace context.

    If the entry does not hold exactly one event, `body` holds all of its fields (`payments.contract.whole_entry`).
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
        if self.full_digest is None and len(self.body) > EVENT_BYTES_MAX and not self._is_whole_entry:
            return BodyDigest.of(self.body)
        return self.full_digest

    @property
    def _is_whole_entry(self) -> bool:
        """Whether the body holds all fields of an entry. It may contain several events, so no size limit applies."""
        return len(self.body) <= WHOLE_ENTRY_BYTES_MAX and read_whole_entry(self.body) is not None


def read_entry(entry: StreamEntry, keyring: Keyring) -> Event:
    """Return the event of an entry.

    Raises EventError if there is not exactly one event, or if it is oversized, violates the contract, or is signed
    incorrectly.
    """
    if oversize := entry.oversize:
        raise EventError("event", oversize.size_error)
    try:
        event = read_event(entry.body)
    except EventError:
        if (fields := read_whole_entry(entry.body)) is not None:
            raise whole_entry_error(fields) from None
        raise
    if problem := keyring.problem(event.company_id, entry.body, entry.signature):
        raise EventError("signature", problem)
    return event
