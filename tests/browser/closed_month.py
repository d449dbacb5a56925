"""Publish changes to payments of a closed month, for several browser tests."""

from tests.acceptance.events import ALL_TYPES, deletion, patient, payment
from tests.acceptance.stack import Stack


def change_a_closed_month(stack: Stack, clinic: str, company: str) -> None:
    """Publish three changes to a closed month: an added, an edited and a deleted payment."""
    here = {"company_id": company, "transaction_date": "2026-05-05", "date_of_service": "2026-05-05"}
    stack.run_successfully("settings", "set", clinic, "--company", company, "--integration", "on", "--types", ALL_TYPES)
    known = patient(f"{clinic}-ada") | {"company_id": company}
    stack.publish(known, payment(clinic, "edited", "25.00", **here), payment(clinic, "deleted", "40.00", **here))
    stack.wait_until_idle()
    stack.run_successfully("months", "close", company, "2026-05")
    stack.publish(
        payment(clinic, "added", "15.00", **here),
        payment(clinic, "edited", "35.00", version=2, **here),
        deletion(clinic, "deleted", version=2) | {"company_id": company},
    )
    stack.wait_until_idle()
