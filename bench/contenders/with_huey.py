"""The Huey contender. `enqueue FIRST COUNT` enqueues jobs. The `huey_consumer` command runs the worker."""

import os
import sys

from huey import RedisHuey

from bench.contenders.job_marker import mark

huey = RedisHuey("bench", url=os.environ["BENCH_REDIS"], results=False)


@huey.task(name="nothing")
def mark_finished(number: int) -> None:
    """Mark the job as finished, without other work."""
    mark(number)


def main() -> None:
    """Enqueue COUNT jobs, numbered from FIRST. Each job only marks itself as finished."""
    from bench.contenders.with_huey import mark_finished as named  # noqa: PLC0415 (as the consumer knows it)

    first, count = map(int, sys.argv[2:])
    for number in range(first, first + count):
        named(number)


if __name__ == "__main__":
    main()
