"""The API conforms to its OpenAPI description, checked by schemathesis with valid and invalid requests."""

import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from fastapi import FastAPI

from payments.access import authentication
from payments.access.rights import Role, User
from payments.store.db.isolation import ALL_COMPANIES
from tests.builders.committed import ClinicLedger
from tests.console.web.conftest import CHEAP, PASSWORD
from tests.console.web.scenarios import LoggedIn, edit_in_closed_month, exception_of

SCHEMATHESIS_PROGRAM = Path(sys.executable).with_name("schemathesis")
EXAMPLES_PER_CALL = os.environ.get("SCHEMATHESIS_EXAMPLES", "5")
"""Random cases for each call, in addition to the boundary cases."""
SCHEMATHESIS_CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,"
    "response_schema_conformance,unsupported_method,ignored_auth"
)
CLINIC, COMPANY = "at-random", "company-at-random"

# Several hundred requests, so not part of `make test-fast`.
pytestmark = pytest.mark.acceptance


@pytest.fixture(scope="module")
def token(site: FastAPI) -> str:
    now = datetime.now(UTC)
    with site.state.console.transaction(ALL_COMPANIES) as tx:
        authentication.add_user(
            tx, User("random", Role.ADMIN), authentication.NewPassword(PASSWORD, CHEAP), now, "tests"
        )
        return authentication.create_token(tx, "random", now, "tests")


def run_schemathesis(folder: Path, address: str, token: str, *options: str) -> subprocess.CompletedProcess[str]:
    """Run schemathesis against the API, and return the finished process."""
    return subprocess.run(
        [
            *(str(SCHEMATHESIS_PROGRAM), "--config-file", "schemathesis.toml", "run", f"{address}/api/openapi.json"),
            *(
                "--header",
                f"Authorization: Bearer {token}",
                "--checks",
                SCHEMATHESIS_CHECKS,
                "--max-examples",
                EXAMPLES_PER_CALL,
            ),
            *("--continue-on-failure", "--generation-database", "none", "--no-color", *options),
        ],
        check=False,
        cwd=folder,
        capture_output=True,
        text=True,
    )


def test_api_answers_every_call_as_openapi_describes(address: str, token: str, tmp_path: Path) -> None:
    (tmp_path / "schemathesis.toml").touch()

    done = run_schemathesis(tmp_path, address, token, "--phases", "examples,coverage,fuzzing")

    assert done.returncode == 0, done.stdout[-4000:] + done.stderr


def test_api_answers_calls_with_existing_ids_as_openapi_describes(
    logged_in: LoggedIn, ledger: ClinicLedger, address: str, token: str, tmp_path: Path
) -> None:
    edit_in_closed_month(ledger, CLINIC, COMPANY)
    number = exception_of(logged_in("billing"), CLINIC)["id"]
    known = {"patient": "patient", "payment": f"{CLINIC}/payment/1", "company": COMPANY, "number": number}
    values = ", ".join(f"{name} = {value!r}" for name, value in known.items())
    (tmp_path / "schemathesis.toml").write_text(f"parameters = {{ {values} }}\n")

    done = run_schemathesis(
        tmp_path, address, token, "--phases", "fuzzing", "--include-path-regex", "account|timeline|months|/acc|/ack"
    )

    assert done.returncode == 0, done.stdout[-4000:] + done.stderr
