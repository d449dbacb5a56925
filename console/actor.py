"""The user who acts on a page, by the API or with a command, and the audit entry of an action."""

from datetime import datetime
from typing import NamedTuple

from payments.access import authentication
from payments.access.authentication import AuditEntry
from payments.store.db.connection import Transaction


class Actor(NamedTuple):
    """The user who performs an action, and the time. `name` is the name that the histories show.

    `address` is the user's IP address. It is empty for a command.
    """

    now: datetime
    name: str
    address: str = ""

    def record(
        self, tx: Transaction, action: str, subject: str = "", detail: str = "", company_id: str | None = None
    ) -> None:
        """Record an action in the audit history.

        `company_id` is the company of the subject. It is None if the subject is the installation or several companies.
        """
        entry = AuditEntry(self.now, self.name, action, subject, detail, self.address, company_id)
        authentication.record_audit(tx, entry)
