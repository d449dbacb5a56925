"""A publisher that does not hear whether its event arrived says it again; the event id makes that harmless."""

from tests.faults.scene import Scene
from tests.faults.wire import wire_that_loses_replies


def test_replies_lost_on_the_way_double_entries_of_the_feed_and_no_money(scene: Scene, is_long: bool) -> None:
    events = 10_000 if is_long else 1_500
    with (
        wire_that_loses_replies(scene.plant.engines.redis_url, share=0.05) as url,
        scene.trial("5 % of the publisher's replies lost", times=0, events=events, rate=800, via=url),
    ):
        pass
