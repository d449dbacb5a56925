"""After the highest possible entry id a stream accepts no entry. The repair in security.md starts a new stream."""

import pytest
import redis

from tasks.feed import stream
from tests.tasks.dispatching import publish, read_new

pytestmark = pytest.mark.slow

LAST_ID = f"{2**64 - 1}-{2**64 - 1}"


def test_renaming_an_exhausted_stream_lets_publishers_continue(dispatcher):
    feed, name = dispatcher.feed, dispatcher.settings.stream
    feed.xadd(name, {"event": "{}"}, id=LAST_ID)
    with pytest.raises(redis.ResponseError, match="exhausted the last possible ID"):
        publish(dispatcher, 1)
    stream.acknowledge_and_delete(feed, name, read_new(dispatcher))
    # Not even the deletion of the entry lets the stream go back.
    with pytest.raises(redis.ResponseError, match="smaller than"):
        feed.execute_command("XSETID", name, "1-0")

    feed.rename(name, f"{name}:ended")
    ids = publish(dispatcher, 2)
    dispatcher.stopping.set()
    dispatcher.run()  # as at the start of the intake

    assert read_new(dispatcher) == ids
    feed.delete(f"{name}:ended")
