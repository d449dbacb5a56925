"""The canary: a message that must come back, the only proof that a worker takes work."""

from tasks.app import app
from tasks.resources import resources

REPLY_SECONDS = 60


@app.task(name="canary.sing")
def sing(*, reply_to: str, **_future: object) -> str:
    """Answer on the list that the caller waits on."""
    here = resources()
    with here.feed.pipeline(transaction=True) as pipeline:
        pipeline.rpush(reply_to, here.worker)
        pipeline.expire(reply_to, REPLY_SECONDS)
        pipeline.execute()
    return here.worker
