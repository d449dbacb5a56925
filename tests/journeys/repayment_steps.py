"""Steps in an office that tests of refunds and returned payments share."""

from payments.contract.event import Method
from payments.contract.money import dollars
from payments.core.repayment import RepaymentDraft, RepaymentKind
from payments.journeys import repaying
from payments.journeys.repaying import Issue, Repayment, RepaymentRequest, RepaymentTarget, Void
from tests.builders.office import BILLER, Office

APPROVER = "user:approver"
CREDIT = RepaymentTarget(company_id="company", patient_id="patient")


def refund(office: Office, amount: str, target: RepaymentTarget = CREDIT, key: str = "1", **more: object) -> Repayment:
    given: dict[str, object] = {"kind": RepaymentKind.REFUND, "reason": "paid twice", "method": Method.CHECK}
    draft = RepaymentDraft(amount=dollars(amount), **given | more)
    return repaying.request(office.tx, RepaymentRequest(key, draft, target), office.now, BILLER)


def returned(
    office: Office, kind: RepaymentKind, amount: str, target: RepaymentTarget, key: str = "1", **more: object
) -> Repayment:
    draft = RepaymentDraft(kind=kind, amount=dollars(amount), reason="returned by the bank", **more)
    done = repaying.request(office.tx, RepaymentRequest(key, draft, target, "R-7"), office.now, BILLER)
    office.run_sweeps()
    return done


def approve(office: Office, repayment_id: int, who: str = APPROVER) -> Repayment:
    return repaying.approve(office.tx, repayment_id, office.now, who)


def issue(office: Office, repayment_id: int, reference: str = "check 9", **more: object) -> Repayment:
    done = repaying.issue(office.tx, Issue(repayment_id, reference, **more), office.now, BILLER)
    office.run_sweeps()
    return done


def approve_and_issue(office: Office, repayment_id: int) -> Repayment:
    approve(office, repayment_id)
    return issue(office, repayment_id)


def void(office: Office, repayment_id: int, reason: str = "the check was never cashed") -> Repayment:
    done = repaying.void(office.tx, Void(repayment_id, reason), office.now, BILLER)
    office.run_sweeps()
    return done
