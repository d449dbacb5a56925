"""Steps in an office, and checks, that tests of manual entries share."""

from datetime import date

from payments.contract.event import ChargeType, Method
from payments.contract.money import dollars
from payments.core.manual_entry import EntryDraft, EntryPurpose
from payments.journeys import balancing, linking, manual_entries, reporting
from payments.journeys.balancing import BalanceFilter
from payments.journeys.linking import LinkRequest, UnlinkRequest
from payments.journeys.manual_entries import EntryRequest, LinkTarget, PostedEntry, ReversalRequest
from payments.journeys.reporting import ExceptionFilter, ExceptionRow
from tests.builders.events import paid, saved_payment
from tests.builders.office import BILLER, Office
from tests.journeys import invariants

TODAY = date(2020, 6, 12)
ADDED = saved_payment(**paid("50.00", "2020-04-08"), provider_id="dr")


def entry(amount: str, **more: object) -> EntryDraft:
    given: dict[str, object] = {
        "company_id": "company",
        "clinic_id": "clinic",
        "patient_id": "patient",
        "purpose": EntryPurpose.PAYMENT if not amount.startswith("-") else EntryPurpose.ADJUSTMENT,
        "amount": dollars(amount),
        "deposit_date": TODAY,
        "method": Method.CASH,
        "charge_type": ChargeType.COPAY,
        "reason": "" if not amount.startswith("-") else "a mistake",
    }
    return EntryDraft(**given | more)


def post(office: Office, posted: EntryDraft, key: str = "1", target: LinkTarget | None = None) -> PostedEntry:
    result = manual_entries.post(office.tx, EntryRequest(key, posted, target), office.now, BILLER)
    office.run_sweeps()
    return result


def reverse(office: Office, entry_id: int, **more: object) -> manual_entries.ReversalResult:
    done = manual_entries.reverse(office.tx, ReversalRequest(entry_id, "typed twice", **more), office.now, BILLER)
    office.run_sweeps()
    return done


def link(office: Office, entry_id: int, target: LinkTarget) -> linking.LinkChange:
    done = linking.link(office.tx, LinkRequest(entry_id, target), office.now, BILLER)
    office.run_sweeps()
    return done


def unlink(office: Office, entry_id: int) -> linking.LinkChange:
    done = linking.unlink(office.tx, UnlinkRequest(entry_id, "another payment"), office.now, BILLER)
    office.run_sweeps()
    return done


def exceptions(office: Office) -> list[ExceptionRow]:
    return list(reporting.exceptions(office.tx, ExceptionFilter(status=None)))


def states(office: Office) -> list[tuple[str, str | None, str]]:
    return [(each.status, each.case, str(each.difference)) for each in exceptions(office)]


def check(office: Office) -> None:
    """Check the invariants, and that a balance of all days leaves nothing unexplained."""
    invariants.check_one_open_exception_per_line(office.tx)
    invariants.check_lines_match_their_target(office.tx)
    invariants.check_nothing_is_overapplied(office.tx)
    invariants.check_applied_plus_unassigned(office.tx, "patient")
    found = balancing.balance(office.tx, BalanceFilter())
    assert (str(found.unexplained), found.unbalanced_lines) == ("0.00", [])
