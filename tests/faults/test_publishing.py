"""A publisher that does not hear whether its event arrived, or finds nobody to tell: nothing is lost or doubled."""

import time

import pytest

from tests.faults.injuries import kill, stand_still
from tests.faults.outbox import OutboxPublisher, emr_database
from tests.faults.scene import Scene, longest
from tests.faults.wire import wire_that_loses_replies
from tests.faults.workload import Pace, Publisher


class LosingPublisher(Publisher):
    """A publisher over a wire that loses replies, which counts the losses that it notices."""

    def _published(self, feed: object, some: list[bytes]) -> bool:
        is_published = super()._published(feed, some)
        self.losses += not is_published
        return is_published


def test_replies_lost_on_the_way_double_entries_of_the_feed_and_no_money(scene: Scene, is_long: bool) -> None:
    events, chunk = (10_000, 1) if is_long else (2_000, 5)
    with (
        wire_that_loses_replies(scene.plant.engines.redis_url, share=0.05) as url,
        scene.trial(
            "5 % of the publisher's replies lost",
            times=0,
            events=events,
            through=lambda bodies: LosingPublisher(url, bodies, Pace(800, events, chunk)),
        ) as result,
    ):
        pass
    assert result.times > events / chunk * 0.02


@pytest.mark.long
def test_saves_of_an_emr_with_an_outbox_reach_billing_once_however_long_redis_is_away(scene: Scene) -> None:
    recoveries = []
    with emr_database(scene.plant.engines.database_url) as emr_url:
        publisher = None

        def through(bodies):
            nonlocal publisher
            publisher = OutboxPublisher(emr_url, scene.plant.engines.redis_url, bodies, Pace.of(400, 6_000))
            return publisher

        with scene.trial(
            "Redis down while an EMR with an outbox saves: killed 5 times, stopped for 10 s", times=6, through=through
        ) as result:
            for _ in range(5):
                kill(scene.plant, "valkey")
                recoveries.append(scene.recovery())
                time.sleep(1)
            stand_still(scene.plant, "valkey", 10)
            recoveries.append(scene.recovery())
            result.recovery_seconds = longest(recoveries)
        # Redis was away, and no save waited for it; what was rolled back was never said.
        assert publisher.waited_max > 1_000
        assert publisher.undone > 0
        result.note = f"up to {publisher.waited_max:,} events in the outbox; {publisher.undone:,} saves rolled back"
