"""Read this installation's keyring: the keys of each company, and the companies that must sign their events."""

from config.settings import Settings, SettingsError
from config.signing_keys import read_keys
from payments.contract.signature import Keyring

ALL_COMPANIES = "all"


def read_keyring(settings: Settings) -> Keyring:
    """Return the keyring that verifies the signatures of events.

    Raises SettingsError if the key file is invalid, or if a company that must sign its events has no key.
    """
    keys = read_keys(settings.signing_keys) if settings.signing_keys else {}
    required = frozenset(settings.signatures_required)
    if without_key := sorted(required - {ALL_COMPANIES} - keys.keys()):
        raise SettingsError(
            f"PAYMENTS_SIGNATURES_REQUIRED: company {without_key[0]} has no key in PAYMENTS_SIGNING_KEYS"
        )
    if required and not keys:
        raise SettingsError(
            "PAYMENTS_SIGNATURES_REQUIRED: there is no key in PAYMENTS_SIGNING_KEYS; every event would be rejected"
        )
    return Keyring(keys, is_required=ALL_COMPANIES in required)
