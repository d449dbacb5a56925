"""An import whose commit no standby has confirmed is not acknowledged. It is repeated when the standby is back."""

from dataclasses import replace

import pytest

from payments.store.db.connection import connect, transaction
from payments.store.db.failover import UnknownCommitError
from payments.store.db.statement import text
from tasks.feed import entry_retry, import_attempt, outage
from tests.builders.committed import CommittedLedger
from tests.builders.events import event_body, saved_patient, saved_payment
from tests.builders.synchronous_primary import synchronous_primary
from tests.tasks.dispatching import pending_and_length
from tests.tasks.test_entry_retry import age_entries, delivery_counts

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def primary(tmp_path_factory):
    with synchronous_primary(tmp_path_factory.mktemp("primary")) as running:
        yield running


@pytest.fixture
def replicated_resources(primary, resources):
    """The resources of a worker process on this primary."""
    database = connect(primary.url, application_name="tests")
    CommittedLedger(database).set_clinic("standby")
    yield replace(resources, database=database)
    database.dispose()


def test_unknown_commit_is_not_acknowledged_and_the_import_is_repeated(primary, replicated_resources):
    payment = saved_payment(clinic_id="standby", payment_id="unknown", patient_id="standby")
    for event in saved_patient("standby"), payment:
        replicated_resources.feed.xadd(replicated_resources.settings.stream, {"event": event_body(event)})

    with primary.standby_gone():
        with pytest.raises(UnknownCommitError), outage.report_outages(replicated_resources.feed):
            import_attempt.import_new(replicated_resources, "no-reply")
        assert pending_and_length(replicated_resources) == (2, 2)
        assert outage.current(replicated_resources.feed).reason == "not_replicated"
        age_entries(replicated_resources, list(delivery_counts(replicated_resources)), 1)
        with pytest.raises(UnknownCommitError):  # the payment is there, but only here
            entry_retry.retry_entries(replicated_resources)
        assert pending_and_length(replicated_resources) == (2, 2)

    age_entries(replicated_resources, list(delivery_counts(replicated_resources)), 1)
    stats, _ = entry_retry.retry_entries(replicated_resources)

    assert (stats.unchanged, pending_and_length(replicated_resources)) == (1, (0, 0))
    with transaction(replicated_resources.database) as tx:
        posted = tx.execute(
            text("SELECT count(*) FROM entries JOIN lines ON lines.id = line_ref WHERE payment_id = 'unknown'")
        )
        assert posted.scalar_one() == 1
