"""All sessions lock lines before dead letters, so one session waits for the other and they cannot deadlock."""

from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest
from sqlalchemy import text

from payments.core.due_selection import DueSelection
from payments.journeys import adjusting, detecting, importing
from payments.journeys.requeueing import requeue
from payments.store.db.connection import ConcurrentWriteError, transaction
from payments.store.ledger import lines
from tests.builders.events import COPAYS, NOW, run_context, saved_patient, saved_payment
from tests.builders.ledger import SETTINGS_SINCE, import_chunk, set_clinic_settings
from tests.journeys.test_concurrent_workers import wait_until_blocked

AUDIT_USER = "user:biller"


class RequeuedConflict:
    """A requeued version conflict of a payment in a new clinic: a line, a due dead letter and an exception."""

    def __init__(self, database):
        clinic = f"clinic-{uuid4()}"
        ids = {"clinic_id": clinic, "patient_id": clinic}
        with transaction(database) as tx:
            set_clinic_settings(tx, COPAYS, SETTINGS_SINCE, clinic)
            import_chunk(tx, saved_patient(clinic), saved_payment("25.00", **ids))
            import_chunk(tx, saved_payment("30.00", **ids))
            detecting.detect(tx, NOW, "tests", 100)
            self.line_ref = tx.execute(text("SELECT id FROM lines WHERE clinic_id = :id"), {"id": clinic}).scalar_one()
            found = tx.execute(
                text("SELECT id, set_aside_ref FROM findings WHERE line_ref = :ref"), {"ref": self.line_ref}
            )
            self.finding_id, self.dead_letter_id = found.one()
            self.requeue(tx)

    def acknowledge(self, tx):
        adjusting.acknowledge(tx, self.finding_id, "as agreed", NOW, AUDIT_USER)

    def retry(self, tx):
        return importing.retry_dead_letters(tx, run_context(), DueSelection(1, only=[self.dead_letter_id]))

    def requeue(self, tx):
        assert requeue(tx, [f"refused:{self.dead_letter_id}"], NOW, AUDIT_USER).count == 1


@pytest.mark.parametrize(
    ("step", "is_repeated"),
    [(RequeuedConflict.acknowledge, True), (RequeuedConflict.requeue, False)],
    ids=["acknowledged meanwhile", "requeued meanwhile"],
)
def test_retry_of_a_dead_letter_waits_for_the_lock_of_its_line(shared_database, step, is_repeated):
    conflict = RequeuedConflict(shared_database)
    with ThreadPoolExecutor(1) as threads, shared_database.connect() as retrying, shared_database.connect() as onlooker:
        pid = retrying.execute(text("SELECT pg_backend_pid()")).scalar_one()
        with transaction(shared_database) as tx:
            lines.lock_by_id(tx, [conflict.line_ref], wait=True)
            retried = threads.submit(conflict.retry, retrying)
            wait_until_blocked(onlooker, pid)
            step(conflict, tx)
        if is_repeated:
            with pytest.raises(ConcurrentWriteError, match="was closed while it was retried"):
                retried.result()
            retrying.rollback()
        else:
            assert retried.result().refused == 1
            retrying.commit()
        assert conflict.retry(retrying).evaluated == 0


def test_one_worker_at_a_time_retries_dead_letters(shared_database):
    conflict = RequeuedConflict(shared_database)
    with shared_database.connect() as first, shared_database.connect() as second:
        assert conflict.retry(first).refused == 1
        assert conflict.retry(second).evaluated == 0
        first.rollback()
        second.rollback()
        assert conflict.retry(second).refused == 1
        second.commit()
