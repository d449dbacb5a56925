"""Let Flower read the queue lengths from a broker whose primary is named by Sentinels."""

import functools
from collections.abc import Mapping, Sequence
from typing import Any

from flower.utils import broker
from redis.asyncio import Redis, Sentinel
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

HostPort = tuple[str, int]


def read_queues_through_sentinels(hosts: Sequence[HostPort]) -> None:
    """Make Flower's page of queues ask these Sentinels for the primary, and read the broker's database.

    Flower's own class asks only the first Sentinel, and reads database 0.
    """
    broker.RedisSentinel = functools.partial(_SentinelBroker, hosts)


class _SentinelBroker(broker.RedisSentinel):
    def __init__(self, hosts: Sequence[HostPort], url: str, *arguments: Any, **options: Any) -> None:
        self._hosts = hosts
        super().__init__(url, *arguments, **options)

    def _get_redis_client(self, options: Mapping[str, Any], tls: Mapping[str, Any] | None) -> Redis:
        no_retry = Retry(NoBackoff(), 0)
        # The configured `retry` is that of clients that block.
        login = {**options["sentinel_kwargs"], "retry": no_retry}
        sentinels: Any = Sentinel  # it has no type annotations
        client: Redis = sentinels(self._hosts, sentinel_kwargs=login).master_for(
            self.master_name,
            username=self.username,
            password=self.password,
            db=self.vhost,
            socket_timeout=self.socket_timeout,
            socket_connect_timeout=self.socket_connect_timeout,
            retry=no_retry,
            **({"ssl": True, **tls} if tls else {}),
        )
        return client
