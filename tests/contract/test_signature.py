"""Event signatures: valid keys, required signatures, and the reason for each rejected signature."""

import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payments.contract.signature import NO_KEYS, Keyring, signature_of

BODY = b'{"company_id":"acme"}'
OLD, NEW = b"o" * 16, b"n" * 32
KEYS_BY_COMPANY = {"acme": {"2026-10": OLD, "2027-01": NEW}, "globex": {"2026-10": b"g" * 16}}
WITH_KEYS, OF_ALL = Keyring(KEYS_BY_COMPANY), Keyring(KEYS_BY_COMPANY, is_required=True)


def test_signature_is_the_key_name_and_the_hmac_of_the_bytes():
    assert signature_of(BODY, "2026-10", OLD) == f"2026-10:{hmac.new(OLD, BODY, hashlib.sha256).hexdigest()}"


@pytest.mark.parametrize("keyring", [WITH_KEYS, OF_ALL], ids=["with keys", "of all"])
@pytest.mark.parametrize(("name", "secret"), KEYS_BY_COMPANY["acme"].items())
def test_every_key_of_a_company_is_valid(keyring, name, secret):
    assert keyring.signature_problem("acme", BODY, signature_of(BODY, name, secret)) is None


@pytest.mark.parametrize(
    ("keyring", "company", "problem"),
    [
        (NO_KEYS, "acme", None),
        (WITH_KEYS, "acme", "missing"),
        (WITH_KEYS, "globex", "missing"),
        (WITH_KEYS, "initech", None),
        (OF_ALL, "acme", "missing"),
        (OF_ALL, "initech", "missing"),
    ],
)
def test_unsigned_event_is_accepted_unless_its_company_must_sign(keyring, company, problem):
    found = keyring.signature_problem(company, BODY, None)

    assert found is None if problem is None else found.startswith(problem)


VALID_SIGNATURE = signature_of(BODY, "2026-10", OLD)
INVALID_SIGNATURES = [
    signature_of(BODY + b" ", "2026-10", OLD),
    signature_of(BODY, "2026-10", NEW),
    signature_of(BODY, "2026-10", KEYS_BY_COMPANY["globex"]["2026-10"]),
    signature_of(BODY, "2020-01", OLD),
    VALID_SIGNATURE.upper(),
    VALID_SIGNATURE[:-1],
    VALID_SIGNATURE.replace("2026-10", "2027-01"),
    VALID_SIGNATURE.partition(":")[2],
    "",
    ":",
]


@pytest.mark.parametrize("keyring", [WITH_KEYS, OF_ALL], ids=["with keys", "of all"])
@pytest.mark.parametrize("signature", INVALID_SIGNATURES)
def test_signature_of_a_company_with_keys_must_be_valid(keyring, signature):
    assert keyring.signature_problem("acme", BODY, signature)


def test_signature_without_a_known_key_is_ignored_unless_it_is_required():
    own = signature_of(BODY, "2026-10", b"i" * 16)

    assert WITH_KEYS.signature_problem("initech", BODY, own) is None
    assert NO_KEYS.signature_problem("acme", BODY, VALID_SIGNATURE) is None
    assert OF_ALL.signature_problem("initech", BODY, own) == "company initech has no such key"


def test_signature_of_another_company_is_rejected_for_a_company_without_keys():
    assert (
        WITH_KEYS.signature_problem("initech", BODY, VALID_SIGNATURE)
        == "the key 2026-10 belongs to company acme, not to initech"
    )


@given(st.text(max_size=80) | st.binary(max_size=80).map(lambda data: f"2026-10:{data.hex()}"))
def test_other_text_is_not_a_signature(text):
    assert text == VALID_SIGNATURE or OF_ALL.signature_problem("acme", BODY, text)


def test_keyring_hides_its_secrets():
    assert "ooo" not in repr(OF_ALL)
