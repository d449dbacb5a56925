"""The Taskiq contender. `enqueue FIRST COUNT` enqueues jobs. The `taskiq` command runs the worker."""

import asyncio
import os
import sys

from taskiq_redis import ListQueueBroker

from bench.contenders.job_marker import mark

# Without it an idle worker dies of redis-py's own 5 s, and a job that is being handed to it is lost.
broker = ListQueueBroker(os.environ["BENCH_REDIS"], socket_timeout=60)


@broker.task(task_name="nothing")
async def mark_finished(number: int) -> None:
    """Mark the job as finished, without other work."""
    mark(number)


async def main() -> None:
    """Enqueue COUNT jobs, numbered from FIRST. Each job only marks itself as finished."""
    await broker.startup()
    first, count = map(int, sys.argv[2:])
    for number in range(first, first + count):
        await mark_finished.kiq(number)
    await broker.shutdown()


if __name__ == "__main__":
    asyncio.run(main())
