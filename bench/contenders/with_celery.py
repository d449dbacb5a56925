"""The Celery contender. It has the product's Celery settings; with BENCH_SETTINGS=bare, only the broker URL.

`work` runs a worker of two processes. `enqueue FIRST COUNT` enqueues jobs.
"""

import os
import sys

import redis
from celery import Celery

from config.celery import IMPORTS, celery_settings
from config.engines import current_engines
from config.settings import read_settings

REPLIES = "bench:replies"
PROCESSES = "2"


def make_app() -> Celery:
    """Return a Celery application with two tasks: one that does nothing, and one that replies."""
    settings = read_settings({k: v for k, v in os.environ.items() if not k.startswith("BENCH_")})
    engines = current_engines(settings)
    app = Celery("bench", set_as_current=False)
    if os.environ.get("BENCH_SETTINGS") == "bare":
        app.conf.update(broker_url=engines.broker_url, task_ignore_result=True)
    else:
        app.conf.update(celery_settings(engines) | {"task_routes": {"bench.*": {"queue": IMPORTS}}})
    replies: list[redis.Redis] = []

    @app.task(name="bench.nothing")
    def mark_finished(number: int) -> None:
        from bench.contenders.job_marker import mark  # noqa: PLC0415 (the other task does without the file)

        mark(number)

    @app.task(name="bench.answer")
    def answer(number: int) -> None:
        if not replies:
            replies.append(redis.Redis.from_url(engines.redis_url))
        replies[0].rpush(REPLIES, number)

    return app


def main() -> None:
    """Run the Celery worker or enqueue jobs. The first argument decides."""
    app = make_app()
    if sys.argv[1] == "work":
        queue = app.conf.task_default_queue
        options = ("--without-mingle", "--without-gossip", "--loglevel", "warning")
        app.worker_main(["worker", "--queues", queue, "--pool", "prefork", "--concurrency", PROCESSES, *options])
    else:
        first, count = map(int, sys.argv[2:])
        for number in range(first, first + count):
            app.tasks["bench.nothing"].delay(number)


if __name__ == "__main__":
    main()
