"""Serve a console with two companies that share a clinic id. Its users see one company, both, or some clinics."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from config.engines import Engines
from config.settings import read_settings
from console.web.app import create_app
from payments.access import authentication
from payments.access.authentication import NewPassword
from payments.access.rights import Role, User
from payments.contract.event import ChargeType
from payments.contract.keys import ClinicKey
from payments.core.scope import EVERYTHING, Scope
from payments.journeys import detecting
from payments.store.db.connection import Database, transaction
from tests.builders.committed import ClinicLedger
from tests.builders.events import paid, saved_patient, saved_payment
from tests.console.web.conftest import CHEAP, PASSWORD, Browser, client_at, open_as_owner, send_login, serve

CLINIC, PATIENT, OTHER_CLINIC = "same", "pat", "only-right"
LEFT, RIGHT = "left", "right"
SHARED_KEY = f"{CLINIC}/sent/1"
CLINICS_OF_LIMITED_USER = {ClinicKey(LEFT, CLINIC), ClinicKey(RIGHT, OTHER_CLINIC)}
USERS = [
    User("of-both", Role.ADMIN, Scope.of_companies(LEFT, RIGHT)),
    User("of-left", Role.ADMIN, Scope.of_companies(LEFT)),
    User("of-all", Role.ADMIN, EVERYTHING),
    # Not the clinic of the other company that has the same id.
    User("of-clinics", Role.BILLING, Scope.of_clinic_keys({LEFT, RIGHT}, CLINICS_OF_LIMITED_USER)),
]


def fill_ledger(database: Database) -> None:
    """Store three payments in each company, with the same keys: in Billing, with nothing due, and Not Sent."""
    ledger = ClinicLedger(database)
    for company, amount in ((LEFT, "25.00"), (RIGHT, "35.00")):
        ids = {"company_id": company, "clinic_id": CLINIC, "patient_id": PATIENT}
        payments = [
            saved_payment(payment_id="sent", **paid(amount, "2026-06-05"), **ids),
            saved_payment(payment_id="free", **paid(amount, "2026-06-05", amount_due="0.00"), **ids),
            saved_payment(payment_id="other", **paid(amount, "2026-06-05"), charge_type="Other", **ids),
        ]
        ledger.set_clinic(CLINIC, ChargeType.COPAY, company_id=company)
        ledger.import_events(saved_patient(PATIENT, company_id=company), *payments)
    ledger.set_clinic(OTHER_CLINIC, ChargeType.SUPPLIES, company_id=RIGHT)
    with transaction(database) as tx:
        detecting.detect(tx, datetime.now(UTC), "backoffice-1", 500)


@contextmanager
def serve_shared(url: str, redis_url: str, home: Path) -> Iterator[Mapping[str, Browser]]:
    """Serve the console on two companies that share a clinic id. Yield a logged-in browser of each user, by name.

    `url` is that of an empty database, which this fills.
    """
    app = create_app(read_settings({"PAYMENTS_HOME": str(home)}), Engines.from_urls(url, redis_url))
    with open_as_owner(app) as database:
        fill_ledger(database)
        with transaction(database) as tx:
            for user in USERS:
                authentication.add_user(tx, user, NewPassword(PASSWORD, CHEAP), datetime.now(UTC), "tests")
    with serve(app) as address:
        found = {user.name: Browser(client_at(address), user.name) for user in USERS}
        for browser in found.values():
            assert send_login(browser.client, browser.name, PASSWORD).status_code == 303
        yield found
        for browser in found.values():
            browser.client.close()
    app.state.console.database.dispose()
    app.state.console.feed.close()
