"""Stream entries: check which company signed an entry, and read its event.

The signature of the raw bytes is checked first. Before this check, no field of the event except the company is used.
"""

import json
import re
from typing import NamedTuple

from payments.contract.errors import EventError
from payments.contract.event import Event, read_event
from payments.contract.partial_event import read_partial_event, valid_company
from payments.contract.plain_payment import read_plain_payment
from payments.contract.signature import Keyring
from payments.contract.size_limit import EVENT_BYTES_MAX, BodyDigest
from payments.contract.whole_entry import WHOLE_ENTRY_BYTES_MAX, malformed_entry_error, read_whole_entry

_COMPANY_KEY = b'"company_id"'
_COMPANY_FIELD_PATTERN = re.compile(_COMPANY_KEY + rb'\s*:\s*("(?:[^"\\]|\\.)*")')


class StreamEntry(NamedTuple):
    """A stream entry: its id, the bytes of its event, their signature, and the publisher's trace context.

    If the entry does not hold exactly one event, `body` holds all of its fields (`payments.contract.whole_entry`).

    Three fields are set only when a dead letter is retried. `full_digest` is the digest of an oversized event; `body`
    is then only its beginning. `was_authentic` is the result of `is_authentic` when the dead letter was stored.
    `stored_company` is the company stored with the dead letter, or None.
    """

    entry_id: str
    body: bytes
    signature: str | None = None
    full_digest: BodyDigest | None = None
    trace: str | None = None
    was_authentic: bool | None = None
    stored_company: str | None = None

    @property
    def oversized_digest(self) -> BodyDigest | None:
        """The digest of an event that exceeds the size limit, otherwise None. An oversized event is not parsed."""
        if self.full_digest is None and len(self.body) > EVENT_BYTES_MAX and not self._is_whole_entry:
            return BodyDigest.of(self.body)
        return self.full_digest

    @property
    def _is_whole_entry(self) -> bool:
        """Whether the body holds all fields of an entry. The size limit of events does not apply to such a body."""
        return len(self.body) <= WHOLE_ENTRY_BYTES_MAX and read_whole_entry(self.body) is not None


def read_entry(entry: StreamEntry, keyring: Keyring) -> Event:
    """Check the signature of an entry, then return its event.

    Raises EventError if the signature is missing or wrong for the event's company, if the entry does not hold exactly
    one event, if the event is oversized, or if it violates the contract.
    """
    company_id = _check_signature(entry, keyring) if keyring.is_used else None
    if oversize := entry.oversized_digest:
        raise EventError("event", oversize.size_error)
    try:
        event = read_plain_payment(entry.body) or read_event(entry.body)
    except EventError:
        if (fields := read_whole_entry(entry.body)) is not None:
            raise malformed_entry_error(fields) from None
        raise
    if keyring.is_used and event.company_id != company_id:
        raise EventError("company_id", "the company that signed the event is not the company of the event")
    return event


def is_authentic(entry: StreamEntry, keyring: Keyring) -> bool:
    """Return whether the entry comes from the company that it names, as far as the known keys can prove it.

    If no signatures are checked, every entry is authentic. Otherwise an entry is not authentic if it names no company,
    or if `Keyring.signature_problem` finds its signature missing or wrong. When the dead letter of an oversized event
    is retried, its signature cannot be checked again. The result is then the one stored with the dead letter.
    """
    if not keyring.is_used:
        return True
    if entry.full_digest is not None:
        return bool(entry.was_authentic)
    company_id = read_partial_event(entry.body).company_id
    return company_id is not None and keyring.signature_problem(company_id, entry.body, entry.signature) is None


def _check_signature(entry: StreamEntry, keyring: Keyring) -> str | None:
    """Return the company that the event names, or None if it names none. Raises EventError for a wrong signature."""
    company_id = named_company(entry.body)
    # Only the beginning of a retried oversized event is left, so its signature cannot be checked again.
    if company_id is not None and entry.full_digest is None:
        problem = keyring.signature_problem(company_id, entry.body, entry.signature)
        if problem:
            raise EventError("signature", problem)
    return company_id


def named_company(body: bytes) -> str | None:
    """Return the company id of an event, or None if the event has no valid company id.

    Usually the event is not parsed: if `"company_id"` occurs only once, the text after it is the value. If the key
    occurs again, spelled with escapes, the result may be wrong. `read_entry` therefore compares the result with the
    parsed event.
    """
    if body.count(_COMPANY_KEY) == 1 and (found := _COMPANY_FIELD_PATTERN.search(body)):
        try:
            return valid_company(json.loads(found[1].decode()))
        except ValueError:
            return None
    return read_partial_event(body).company_id
