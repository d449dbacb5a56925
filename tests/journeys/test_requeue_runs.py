"""A requeue run requeues all matching payments, but never more than the user has confirmed."""

import pytest

from payments.core.outcome import Status
from payments.journeys import requeueing
from payments.journeys.reporting import FeedFilter
from payments.journeys.requeueing import MoreThanConfirmedError
from tests.builders.events import NOW, saved_payment
from tests.builders.ledger import create_clinic, feed_rows, import_chunk

WHO = "user:support"


def supplies(payment_id):
    return saved_payment("25.00", payment_id=payment_id, charge_type="Supplies")


@pytest.mark.parametrize("confirmed", [None, 2, 3])
def test_run_starts_unless_more_match_than_were_confirmed(tx, confirmed):
    create_clinic(tx)
    import_chunk(tx, supplies("a"), supplies("b"))

    assert requeueing.start_run(tx, FeedFilter(status=Status.NOT_SENT), NOW, WHO, confirmed).matching == 2


@pytest.mark.parametrize("confirmed", [0, 1])
def test_run_requeues_nothing_if_more_match_than_confirmed(tx, confirmed):
    create_clinic(tx)
    import_chunk(tx, supplies("a"), supplies("b"))

    with pytest.raises(MoreThanConfirmedError, match=f"matching payments: 2 now, {confirmed} when confirmed"):
        requeueing.start_run(tx, FeedFilter(status=Status.NOT_SENT), NOW, WHO, confirmed)
    assert {row.status for row in feed_rows(tx).values()} == {"Not Sent"}
