"""Event signatures, which prove that an event comes from its company.

A signature is `KEY:HEX`: the name of one of the company's keys, and the HMAC-SHA256 of the event's bytes with this key.
"""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field

Keys = Mapping[str, Mapping[str, bytes]]
"""Secrets by company and key name. All keys of a company are valid, so that keys can be rotated."""


def signature_of(body: bytes, key: str, secret: bytes) -> str:
    """Return the signature of an event's bytes."""
    return f"{key}:{hmac.new(secret, body, hashlib.sha256).hexdigest()}"


@dataclass(frozen=True, slots=True)
class Keyring:
    """The keys of all companies. The companies in `required` must sign; with `is_required` all must."""

    keys: Keys = field(default_factory=dict, repr=False)
    required: frozenset[str] = frozenset()
    is_required: bool = False

    def problem(self, company_id: str, body: bytes, signature: str | None) -> str | None:
        """Return the problem with an event's signature, or None if the event is accepted.

        A company with keys may omit the signature until signatures are required. A signature that is present must be
        valid.
        """
        company_keys = self.keys.get(company_id, {})
        must_sign = self.is_required or company_id in self.required
        if signature is None:
            return f"missing; company {company_id} signs its events" if must_sign else None
        name, _, _ = signature.rpartition(":")
        secret = company_keys.get(name)
        if secret is None:
            return f"company {company_id} has no such key" if company_keys or must_sign else None
        is_valid = hmac.compare_digest(signature.encode(), signature_of(body, name, secret).encode())
        return None if is_valid else f"does not fit the event and the key {name} of company {company_id}"


NO_KEYS = Keyring()
