"""If a publisher loses a reply or cannot reach Redis, no payment is lost or duplicated."""

import time

import pytest

from tests.faults.fault_injection import freeze, kill
from tests.faults.lossy_proxy import lossy_proxy
from tests.faults.outbox import OutboxPublisher, emr_database
from tests.faults.trial import Trial, longest_seconds
from tests.faults.workload import Pace, Publisher


class LossyPublisher(Publisher):
    """A publisher that counts how often a reply was lost."""

    def _try_publish(self, feed: object, some: list[bytes]) -> bool:
        is_published = super()._try_publish(feed, some)
        self.losses += not is_published
        return is_published


def test_lost_replies_duplicate_stream_entries_but_no_money(trial: Trial, is_long_run: bool) -> None:
    events, chunk = (10_000, 1) if is_long_run else (2_000, 5)
    with (
        lossy_proxy(trial.stack.engines.redis_url, loss_rate=0.05) as url,
        trial.run(
            "5 % of the publisher's replies lost",
            times=0,
            events=events,
            make_publisher=lambda bodies: LossyPublisher(url, bodies, Pace(800, events, chunk)),
        ) as result,
    ):
        pass
    assert result.times > events / chunk * 0.02


@pytest.mark.long
def test_outbox_saves_are_imported_once_after_a_redis_outage(trial: Trial) -> None:
    recoveries = []
    with emr_database(trial.stack.engines.database_url) as emr_url:
        publisher = None

        def make_publisher(bodies):
            nonlocal publisher
            publisher = OutboxPublisher(emr_url, trial.stack.engines.redis_url, bodies, Pace.of(400, 6_000))
            return publisher

        with trial.run(
            "Redis down while an EMR with an outbox saves: killed 5 times, stopped for 10 s",
            times=6,
            make_publisher=make_publisher,
        ) as result:
            for _ in range(5):
                kill(trial.stack, "valkey")
                recoveries.append(trial.measure_recovery())
                time.sleep(1)
            freeze(trial.stack, "valkey", 10)
            recoveries.append(trial.measure_recovery())
            result.recovery_seconds = longest_seconds(recoveries)
        # Saves continued during the outage, and rolled-back saves were not published.
        assert publisher.waited_max > 1_000
        assert publisher.undone > 0
        result.note = f"up to {publisher.waited_max:,} events in the outbox; {publisher.undone:,} saves rolled back"
