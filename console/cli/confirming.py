"""Confirm or retire a company or a clinic, for `payments company` and `payments settings`."""

# ruff: noqa: PLC0415 (imports inside functions keep `payments --help` fast)

from __future__ import annotations

from datetime import UTC, datetime

from console.cli import confirmation
from console.cli.arguments import parse_identifier
from console.cli.session import current_user, open_transaction
from console.cli.terminal import print_line


def confirm(company: str, clinic: str | None = None) -> None:
    """Confirm a company or one of its clinics, and print what was confirmed.

    Raises ConfirmationError if it does not exist.
    """
    from payments.journeys import confirming

    named = confirming.NamedClinic(_company_of(company, clinic), clinic and parse_identifier(clinic, "CLINIC"))
    with open_transaction() as tx:
        confirming.confirm(tx, named, datetime.now(UTC), current_user())
    print_line(f"{_subject_text(company, clinic)} is confirmed.")


def retire(company: str, clinic: str | None = None, *, yes: bool) -> None:
    """Retire a company or one of its clinics, and print what was retired. Ask first, unless `yes`.

    Raises ConfirmationError if it is not empty, is already retired or does not exist.
    """
    from payments.journeys import confirming

    named = confirming.NamedClinic(_company_of(company, clinic), clinic and parse_identifier(clinic, "CLINIC"))
    if confirmation.must_ask(yes=yes):
        confirmation.confirm(
            f"Retire {_subject_text(company, clinic, is_first_word=False)}? Its later events will be Not Sent."
        )
    with open_transaction() as tx:
        confirming.retire(tx, named, datetime.now(UTC), current_user())
    print_line(f"{_subject_text(company, clinic)} is retired. Its later events are Not Sent until it is confirmed.")


def _company_of(company: str, clinic: str | None) -> str:
    return parse_identifier(company, "COMPANY" if clinic is None else "--company")


def _subject_text(company: str, clinic: str | None, *, is_first_word: bool = True) -> str:
    text = f"company {company}" if clinic is None else f"clinic {clinic} of company {company}"
    return f"{text[0].upper()}{text[1:]}" if is_first_word else text
