"""The file of signing keys: valid content, and the one-line error for an invalid file."""

import pytest

from config.settings import SettingsError, read_settings
from config.signing_keys import read_keys
from tasks.signing import read_keyring

SECRET = "0b" * 16
GOOD_FILE = f"""
[acme]
"2026-10" = "{SECRET}"
"2027-01" = "{"AF" * 32}"

["Globex Inc."]
first = "{SECRET}"
"""


@pytest.fixture
def write_keys(tmp_path):
    def write(text):
        (tmp_path / "keys.toml").write_bytes(text if isinstance(text, bytes) else text.encode())
        return tmp_path / "keys.toml"

    return write


def test_each_company_has_its_keys_in_file_order(write_keys):
    assert read_keys(write_keys(GOOD_FILE)) == {
        "acme": {"2026-10": b"\x0b" * 16, "2027-01": b"\xaf" * 32},
        "Globex Inc.": {"first": b"\x0b" * 16},
    }
    assert read_keys(write_keys("# none yet")) == {}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[acme", "is not TOML"),
        (b"\xff", "is not in UTF-8"),
        ('acme = "0b0b"', "company acme: expected a table of keys"),
        ("[acme]", "company acme: expected a table of keys"),
        ("[acme]\nk = 7", "company acme, key k: expected 32 hexadecimal digits or more"),
        ('[acme]\nk = "secretsecretsecretsecretsecretse"', "company acme, key k: expected 32 hexadecimal digits"),
        (f'[acme]\nk = "{SECRET[:-2]}"', "company acme, key k: expected 32 hexadecimal digits"),
        (f'[acme]\nk = "{SECRET}0"', "company acme, key k: expected 32 hexadecimal digits"),
        (f'[acme]\n"a:b" = "{SECRET}"', "company acme: a key's name is 1 to 64 letters"),
    ],
)
def test_invalid_file_is_reported_in_one_line_without_a_secret(write_keys, text, problem):
    path = write_keys(text)
    with pytest.raises(SettingsError) as error:
        read_keys(path)

    message = str(error.value)
    assert message.startswith(f"PAYMENTS_SIGNING_KEYS: {path}")
    assert problem in message
    assert "secretsecret" not in message
    assert SECRET[:-2] not in message


def test_missing_file_is_named_in_the_error(tmp_path):
    with pytest.raises(SettingsError, match=r"gone\.toml: No such file"):
        read_keys(tmp_path / "gone.toml")


@pytest.mark.parametrize(
    ("required", "is_required_of_all"),
    [("", False), ("acme", False), ("acme, Globex Inc.", False), ("all", True), ("all,acme", True)],
)
def test_company_without_keys_must_sign_only_with_the_setting_all(write_keys, required, is_required_of_all):
    path = write_keys(GOOD_FILE)
    environment = {"PAYMENTS_SIGNING_KEYS": str(path), "PAYMENTS_SIGNATURES_REQUIRED": required}

    keyring = read_keyring(read_settings(environment))

    assert keyring.is_required is is_required_of_all
    assert set(keyring.keys) == {"acme", "Globex Inc."}


def test_default_settings_require_no_signature():
    keyring = read_keyring(read_settings({}))

    assert (keyring.keys, keyring.is_required, keyring.is_used) == ({}, False, False)


@pytest.mark.parametrize("required", ["initech", "all"])
def test_required_signature_without_a_key_is_an_error(write_keys, required):
    environment = {"PAYMENTS_SIGNATURES_REQUIRED": required}
    if required == "initech":
        environment["PAYMENTS_SIGNING_KEYS"] = str(write_keys(GOOD_FILE))

    with pytest.raises(SettingsError, match=r"PAYMENTS_SIGNATURES_REQUIRED: .* no key"):
        read_keyring(read_settings(environment))
