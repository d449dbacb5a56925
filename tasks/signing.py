"""The keyring of this installation: the keys that were read, and of which companies signatures are required."""

from config.settings import Settings, SettingsError
from config.signing_keys import read_keys
from payments.contract.signature import Keyring

ALL = "all"


def read_keyring(settings: Settings) -> Keyring:
    """Return the keys that events are checked with. Raises SettingsError, also for a company that could never sign."""
    keys = read_keys(settings.signing_keys) if settings.signing_keys else {}
    required = frozenset(settings.signatures_required)
    if without := sorted(required - {ALL} - keys.keys()):
        raise SettingsError(f"PAYMENTS_SIGNATURES_REQUIRED: company {without[0]} has no key in PAYMENTS_SIGNING_KEYS")
    if required and not keys:
        raise SettingsError(
            "PAYMENTS_SIGNATURES_REQUIRED: there is no key in PAYMENTS_SIGNING_KEYS; no event could come in"
        )
    return Keyring(keys, required - {ALL}, is_required=ALL in required)
