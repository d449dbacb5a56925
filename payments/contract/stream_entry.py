"""Stream entries: check which company signed an entry, and read its event.

The signature is checked first, over the raw bytes. Before that, only the company of the event is read.
"""

import json
import re
from typing import NamedTuple

from payments.contract.errors import EventError
from payments.contract.event import Event, read_event
from payments.contract.partial_event import read_partial_event, valid_company
from payments.contract.signature import Keyring
from payments.contract.size_limit import EVENT_BYTES_MAX, BodyDigest
from payments.contract.whole_entry import WHOLE_ENTRY_BYTES_MAX, malformed_entry_error, read_whole_entry

_COMPANY_KEY = b'"company_id"'
_COMPANY = re.compile(_COMPANY_KEY + rb'\s*:\s*("(?:[^"\\]|\\.)*")')


class StreamEntry(NamedTuple):
    """A stream entry: its id, the bytes of its event, their signature, and the publisher's trace context.

    If the entry does not hold exactly one event, `body` holds all of its fields (`payments.contract.whole_entry`).
    `full_digest` is set when a dead letter of an oversized event is retried. `body` is then only the beginning of the
    event, and the digest describes all of it. `was_authentic` is None for a new entry. For a retried dead letter it
    tells whether the entry was authentic (`is_authentic`) when the dead letter was stored, and `stored_company` is the
    company that is stored with the dead letter, or None.
    """

    entry_id: str
    body: bytes
    signature: str | None = None
    full_digest: BodyDigest | None = None
    trace: str | None = None
    was_authentic: bool | None = None
    stored_company: str | None = None

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

    Raises EventError if the signature is missing or wrong for the event's company, before anything else of the event is
    read. Also raises EventError if the entry does not hold exactly one event, or if the event is oversized or violates
    the contract.
    """
    company_id = _check_signature(entry, keyring) if keyring.is_used else None
    if oversize := entry.oversize:
        raise EventError("event", oversize.size_error)
    try:
        event = read_event(entry.body)
    except EventError:
        if (fields := read_whole_entry(entry.body)) is not None:
            raise malformed_entry_error(fields) from None
        raise
    if keyring.is_used and event.company_id != company_id:
        raise EventError("company_id", "the company that signed the event is not the company of the event")
    return event


def is_authentic(entry: StreamEntry, keyring: Keyring) -> bool:
    """Return whether the entry comes from the company that it names, as far as this installation can verify.

    Without keys every entry is authentic. With keys, an entry is not authentic if it names no company, or if its
    company has keys and the signature is missing or wrong. A retried dead letter of an oversized event counts as it did
    when it was stored.
    """
    if not keyring.is_used:
        return True
    if entry.full_digest is not None:
        return bool(entry.was_authentic)
    company_id = read_partial_event(entry.body).company_id
    return company_id is not None and keyring.problem(company_id, entry.body, entry.signature) is None


def _check_signature(entry: StreamEntry, keyring: Keyring) -> str | None:
    """Return the company that the event names, None if it cannot be read. Raises EventError for a wrong signature."""
    company_id = named_company(entry.body)
    # Only the beginning of a retried oversized event is left, so its signature cannot be checked again.
    if company_id is not None and entry.full_digest is None:
        problem = keyring.problem(company_id, entry.body, entry.signature)
        if problem:
            raise EventError("signature", problem)
    return company_id


def named_company(body: bytes) -> str | None:
    """Return the company that an event names, usually without parsing the event; None if there is no valid id.

    If the key occurs once as text, its value is the only one that a parser can find under that spelling. A key that is
    spelled with escapes in addition is found by `read_entry`, which compares the company of the parsed event.
    """
    if body.count(_COMPANY_KEY) == 1 and (found := _COMPANY.search(body)):
        try:
            return valid_company(json.loads(found[1].decode()))
        except ValueError:
            return None
    return read_partial_event(body).company_id
