"""The task that the health check sends to a worker as a ping. A reply proves that the worker consumes its queue."""

from tasks.app import app
from tasks.resources import get_resources

REPLY_SECONDS = 60


@app.task(name="canary.sing")
def ping(*, reply_to: str, valid_while: str = "", **_future: object) -> str:
    """Push this worker's name onto the Redis list `reply_to`, on which the sender waits.

    `valid_while` names a Redis key. If this key has expired, nothing is pushed. The message itself has no expiry,
    because the worker would compare an expiry with its own clock.
    """
    resources = get_resources()
    if valid_while and not resources.feed.exists(valid_while):
        return "too late"
    with resources.feed.pipeline(transaction=True) as pipeline:
        pipeline.rpush(reply_to, resources.worker)
        pipeline.expire(reply_to, REPLY_SECONDS)
        pipeline.execute()
    return resources.worker
