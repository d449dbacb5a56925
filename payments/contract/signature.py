"""Event signatures, which prove that an event comes from its company.

A signature is `KEY:HEX`: the name of one of the company's keys, and the HMAC-SHA256 of the event's bytes with this key.
"""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field

SecretsByCompany = Mapping[str, Mapping[str, bytes]]
"""The secrets by company id, then by key name. All keys of a company are valid, so that keys can be rotated."""


def signature_of(body: bytes, key: str, secret: bytes) -> str:
    """Return the signature of an event's bytes, made with a company's key. `key` is the key's name."""
    return f"{key}:{hmac.new(secret, body, hashlib.sha256).hexdigest()}"


@dataclass(frozen=True, slots=True)
class Keyring:
    """The keys of all companies.

    A company that has keys must sign its events. If `is_required`, events of companies without keys are rejected.
    """

    keys: SecretsByCompany = field(default_factory=dict, repr=False)
    is_required: bool = False

    @property
    def is_used(self) -> bool:
        """Whether signatures are checked. They are not checked if no company has a key and `is_required` is False."""
        return bool(self.keys) or self.is_required

    def signature_problem(self, company_id: str, body: bytes, signature: str | None) -> str | None:
        """Return why the signature of a company's event is not accepted, or None if it is accepted.

        If the company has keys, or if `is_required`, the event needs a signature made with one of the company's keys.
        Otherwise a signature is optional, but a signature made with another company's key is not accepted.
        """
        company_keys = self.keys.get(company_id)
        if not company_keys and not self.is_required:
            return self._foreign_key_problem(company_id, body, signature)
        if signature is None:
            return f"missing; company {company_id} signs its events"
        name = _key_name(signature)
        secret = (company_keys or {}).get(name)
        if secret is None:
            return f"company {company_id} has no such key"
        is_valid = _is_signed(body, signature, name, secret)
        return None if is_valid else f"does not fit the event and the key {name} of company {company_id}"

    def _foreign_key_problem(self, company_id: str, body: bytes, signature: str | None) -> str | None:
        name = _key_name(signature or "")
        for owner, keys in self.keys.items():
            if signature and name in keys and _is_signed(body, signature, name, keys[name]):
                return f"the key {name} belongs to company {owner}, not to {company_id}"
        return None


NO_KEYS = Keyring()


def _key_name(signature: str) -> str:
    return signature.rpartition(":")[0]


def _is_signed(body: bytes, signature: str, name: str, secret: bytes) -> bool:
    return hmac.compare_digest(signature.encode(), signature_of(body, name, secret).encode())
