"""Signatures of events: who may speak for a company. Knows keys as values, and not where they are kept.

A signature is `KEY:HEX`, the name of one of the company's keys and the HMAC-SHA256 of the event's bytes with it.
"""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field

Keys = Mapping[str, Mapping[str, bytes]]
"""The secrets of each company, by the company and the key's name. All that are named hold, so that one can follow on
another while both are in use."""


def signature_of(body: bytes, key: str, secret: bytes) -> str:
    """Sign an event's bytes."""
    return f"{key}:{hmac.new(secret, body, hashlib.sha256).hexdigest()}"


@dataclass(frozen=True, slots=True)
class Keyring:
    """The keys of the companies that sign, and which companies have to; `is_required` says it of all of them."""

    keys: Keys = field(default_factory=dict, repr=False)
    required: frozenset[str] = frozenset()
    is_required: bool = False

    def problem(self, company_id: str, body: bytes, signature: str | None) -> str | None:
        """Return what is wrong with an event's signature, or None where it may be taken.

        A company that has keys may leave signatures out until they are required of it; one that it gives must be right.
        """
        known = self.keys.get(company_id, {})
        must = self.is_required or company_id in self.required
        if signature is None:
            return f"missing; company {company_id} signs its events" if must else None
        name, _, _ = signature.rpartition(":")
        secret = known.get(name)
        if secret is None:
            return f"company {company_id} has no such key" if known or must else None
        is_right = hmac.compare_digest(signature.encode(), signature_of(body, name, secret).encode())
        return None if is_right else f"does not fit the event and the key {name} of company {company_id}"


NO_KEYS = Keyring()
