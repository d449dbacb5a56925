"""Read the key file. It contains the secrets with which companies sign their events."""

import re
import tomllib
from pathlib import Path

from config.settings import SettingsError

KEYS_VARIABLE = "PAYMENTS_SIGNING_KEYS"
SECRET_BYTES_MIN = 16
_KEY_NAME_PATTERN = re.compile(r"[A-Za-z0-9._-]{1,64}")
_SECRET_PATTERN = re.compile(rf"(?:[0-9A-Fa-f]{{2}}){{{SECRET_BYTES_MIN},}}")


def read_keys(path: Path) -> dict[str, dict[str, bytes]]:
    """Return the secrets by company and by key name.

    The file is TOML, with a table for each company and a line for each key: `name = "secret in hexadecimal digits"`.
    Raises SettingsError if the file cannot be read or is invalid. The message never quotes a secret.
    """
    try:
        tables = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise SettingsError(f"{KEYS_VARIABLE}: {path}: {error.strerror}") from None
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{KEYS_VARIABLE}: {path} is not TOML: {error}") from None
    except UnicodeDecodeError:
        raise SettingsError(f"{KEYS_VARIABLE}: {path} is not in UTF-8") from None
    return {company: _company_keys(path, company, table) for company, table in tables.items()}


def _company_keys(path: Path, company: str, table: object) -> dict[str, bytes]:
    prefix = f"{KEYS_VARIABLE}: {path}: company {company}"
    if not isinstance(table, dict) or not table:
        raise SettingsError(f"{prefix}: expected a table of keys, such as [{company}] and a line for each key")
    for name, secret in table.items():
        if not _KEY_NAME_PATTERN.fullmatch(name):
            raise SettingsError(f"{prefix}: a key's name is 1 to 64 letters, digits, dots, hyphens or underscores")
        if not isinstance(secret, str) or not _SECRET_PATTERN.fullmatch(secret):
            raise SettingsError(
                f"{prefix}, key {name}: expected {2 * SECRET_BYTES_MIN} hexadecimal digits or more, in quotes; "
                "`openssl rand -hex 32` makes such a secret"
            )
    return {name: bytes.fromhex(secret) for name, secret in table.items()}
