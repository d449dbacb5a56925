"""Histories name the operating-system user who ran a command. Environment variables cannot change this name."""

import os
import pwd

import pytest

from console.cli.session import current_user
from payments.store.db.connection import Database, transaction
from payments.store.db.statement import text
from tests.builders.committed import CommittedLedger
from tests.builders.events import saved_payment
from tests.console.conftest import Terminal

USER_VARIABLES = ("LOGNAME", "USER", "LNAME", "USERNAME")
SIGNATURE_COLUMN_BY_TABLE = {
    "audit": "who",
    "company_months": "scheduled_by",
    "history": "who",
    "settings_changes": "set_by",
    "users": "added_by",
}


def test_signature_names_the_real_user(monkeypatch: pytest.MonkeyPatch) -> None:
    uid = os.getuid()
    for name in USER_VARIABLES:
        monkeypatch.setenv(name, "ann")

    assert current_user() == f"cli:{uid} ({pwd.getpwuid(uid).pw_name})"


def test_signature_of_a_user_without_name_is_the_id(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getuid", lambda: 4_000_000_001)

    assert current_user() == "cli:4000000001"


@pytest.mark.usefixtures("feed")
def test_environment_cannot_forge_the_signature_of_any_command(
    terminal: Terminal, billing: CommittedLedger, ledger_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in USER_VARIABLES:
        monkeypatch.setenv(name, "forged")
    billing.set_clinic("g1")
    billing.import_events(saved_payment("6.00", charge_type="Other", clinic_id="g1", patient_id="pat-g1"))

    for line in (
        "settings set g1 --company company --types Copay",
        "company set forger --hold-days 3",
        "requeue g1/payment/1",
        "months schedule company 2026-04",
    ):
        assert terminal.run(*line.split()).status == 0, line

    with transaction(ledger_database) as tx:
        signatures = {
            who
            for table, column in SIGNATURE_COLUMN_BY_TABLE.items()
            for who in tx.execute(text(f"SELECT DISTINCT {column} FROM {table}")).scalars()
            if who
        }
    assert current_user() in signatures
    assert not [who for who in signatures if "forged" in who]
