"""The RQ contender. `enqueue FIRST COUNT` enqueues jobs. `work` runs one worker that does not fork for each job."""

import os
import sys

from redis import Redis
from rq import Queue, SimpleWorker

from bench.contenders.job_marker import mark


def main() -> None:
    """Run the worker or enqueue jobs. The first argument decides."""
    queue = Queue("bench", connection=Redis.from_url(os.environ["BENCH_REDIS"]))
    if sys.argv[1] == "work":
        SimpleWorker([queue], connection=queue.connection).work(logging_level="WARNING")
        return
    first, count = map(int, sys.argv[2:])
    for number in range(first, first + count):
        queue.enqueue(mark, number, result_ttl=0)


if __name__ == "__main__":
    main()
