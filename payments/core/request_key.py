"""The keys and hashes by which repeated requests are recognized: a request with the same key takes effect once."""

import hashlib

REQUEST_KEY_CHARACTERS_MAX = 200
_DERIVED_KEY_PREFIX = "Billing: "


def request_key_problem(key: str) -> str | None:
    """Return why a user may not name a request so, or None. Keys that `derived_request_key` returns are refused."""
    if not 0 < len(key.strip()) <= REQUEST_KEY_CHARACTERS_MAX:
        return f"a request key has 1 to {REQUEST_KEY_CHARACTERS_MAX} characters"
    if key.startswith(_DERIVED_KEY_PREFIX):
        return f"a request key must not begin with {_DERIVED_KEY_PREFIX!r}; choose another key"
    return None


def derived_request_key(name: str) -> str:
    """Return the request key of a row that Billing adds for another row, for example for `reversal of 17`.

    No key of a user equals it.
    """
    return f"{_DERIVED_KEY_PREFIX}{name}"


def hash_request(*parts: object) -> bytes:
    """Return a hash of all parts of a request. A request with a known key must have the same hash."""
    text = repr([None if part is None else str(part) for part in parts])
    return hashlib.blake2b(text.encode(), digest_size=16).digest()
