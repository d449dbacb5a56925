"""The file of keys: what is read, and the one line that is said of what is wrong."""

import pytest

from config.settings import SettingsError, read_settings
from config.signing_keys import read_keys
from tasks.signing import read_keyring

SECRET = "0b" * 16
GOOD = f"""
[acme]
"2026-10" = "{SECRET}"
"2027-01" = "{"AF" * 32}"

["Globex Inc."]
first = "{SECRET}"
"""


@pytest.fixture
def keys(tmp_path):
    def write(text):
        (tmp_path / "keys.toml").write_bytes(text if isinstance(text, bytes) else text.encode())
        return tmp_path / "keys.toml"

    return write


def test_each_company_has_its_keys_in_their_order(keys):
    assert read_keys(keys(GOOD)) == {
        "acme": {"2026-10": b"\x0b" * 16, "2027-01": b"\xaf" * 32},
        "Globex Inc.": {"first": b"\x0b" * 16},
    }
    assert read_keys(keys("# none yet")) == {}


@pytest.mark.parametrize(
    ("text", "said"),
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
def test_what_is_wrong_is_said_in_one_line_that_quotes_no_secret(keys, text, said):
    path = keys(text)
    with pytest.raises(SettingsError) as refused:
        read_keys(path)

    message = str(refused.value)
    assert message.startswith(f"PAYMENTS_SIGNING_KEYS: {path}")
    assert said in message
    assert "secretsecret" not in message
    assert SECRET[:-2] not in message


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(SettingsError, match=r"gone\.toml: No such file"):
        read_keys(tmp_path / "gone.toml")


@pytest.mark.parametrize(
    ("required", "companies", "of_all"),
    [
        ("", set(), False),
        ("acme", {"acme"}, False),
        ("acme, Globex Inc.", {"acme", "Globex Inc."}, False),
        ("all", set(), True),
        ("all,acme", {"acme"}, True),
    ],
)
def test_the_keyring_requires_what_the_setting_says(keys, required, companies, of_all):
    path = keys(GOOD)
    environment = {"PAYMENTS_SIGNING_KEYS": str(path), "PAYMENTS_SIGNATURES_REQUIRED": required}

    keyring = read_keyring(read_settings(environment))

    assert (set(keyring.required), keyring.is_required) == (companies, of_all)
    assert set(keyring.keys) == {"acme", "Globex Inc."}


def test_without_the_settings_nothing_is_required_and_no_file_is_read():
    keyring = read_keyring(read_settings({}))

    assert (keyring.keys, keyring.required, keyring.is_required) == ({}, frozenset(), False)


@pytest.mark.parametrize("required", ["initech", "all"])
def test_a_signature_that_nobody_could_give_is_not_required(keys, required):
    environment = {"PAYMENTS_SIGNATURES_REQUIRED": required}
    if required == "initech":
        environment["PAYMENTS_SIGNING_KEYS"] = str(keys(GOOD))

    with pytest.raises(SettingsError, match=r"PAYMENTS_SIGNATURES_REQUIRED: .* no key"):
        read_keyring(read_settings(environment))
