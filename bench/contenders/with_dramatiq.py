"""The Dramatiq contender. `enqueue FIRST COUNT` enqueues jobs. The `dramatiq` command runs the worker."""

import os
import sys

import dramatiq
from dramatiq.brokers.redis import RedisBroker

from bench.contenders.job_marker import mark

dramatiq.set_broker(RedisBroker(url=os.environ["BENCH_REDIS"]))


@dramatiq.actor
def mark_finished(number: int) -> None:
    """Mark the job as finished, without other work."""
    mark(number)


if __name__ == "__main__":
    first, count = map(int, sys.argv[2:])
    # Declared here once more under the name of the file, the actor keeps its own.
    for number in range(first, first + count):
        mark_finished.send(number)
