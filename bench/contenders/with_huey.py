"""Huey; `enqueue FIRST COUNT` enqueues jobs, its own command line runs the consumer."""

import os
import sys

from huey import RedisHuey

from bench.contenders.job_marker import mark

huey = RedisHuey("bench", url=os.environ["BENCH_REDIS"], results=False)


@huey.task(name="nothing")
def nothing(number: int) -> None:
    """Do nothing, and mark the job."""
    mark(number)


def main() -> None:
    """Enqueue jobs that do nothing."""
    from bench.contenders.with_huey import nothing as named  # noqa: PLC0415 (as the consumer knows it)

    first, count = map(int, sys.argv[2:])
    for number in range(first, first + count):
        named(number)


if __name__ == "__main__":
    main()
