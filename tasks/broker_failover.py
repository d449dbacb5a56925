"""Let Celery reconnect if the broker accepts no writes, as Celery does if the broker does not answer.

A server replies READONLY if a failover has moved the broker's address to another server. It replies NOREPLICAS while
`min-replicas-to-write` is not met. kombu treats both replies as errors of a command, which would end a worker.
"""

from typing import Any

import redis
from kombu.transport.redis import Channel, SentinelChannel

from config.redis_clients import says_cannot_write


class _Reconnecting:
    """Mixin for connections of redis-py: disconnect if the server accepts no writes, so that the caller reconnects."""

    def read_response(self, *arguments: Any, **options: Any) -> Any:
        """Read a reply. If the server accepts no writes, disconnect and raise ConnectionError."""
        connection: Any = super()
        try:
            return connection.read_response(*arguments, **options)
        except redis.ResponseError as error:
            if not says_cannot_write(error):
                raise
            connection.disconnect()
            raise redis.ConnectionError(str(error)) from error


def reconnect_after_failover() -> None:
    """Make kombu use connections with `_Reconnecting` for all channels that it opens later, except on Unix sockets."""
    for channel in (Channel, SentinelChannel):
        for name in ("connection_class", "connection_class_ssl"):
            base = getattr(channel, name)
            if not issubclass(base, _Reconnecting):
                setattr(channel, name, type(f"Reconnecting{base.__name__}", (_Reconnecting, base), {}))
