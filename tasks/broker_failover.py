"""Let Celery reconnect if the broker accepts no writes, as it does if the broker does not answer.

A server answers READONLY after a failover behind an address that moved. It answers NOREPLICAS while
`min-replicas-to-write` is not met. kombu treats both as errors of a command, which would end a worker.
"""

from typing import Any

import redis
from kombu.transport.redis import Channel, SentinelChannel

from config.redis_clients import says_cannot_write


class _Reconnecting:
    """Mixin for connections of redis-py: reconnect if the server accepts no writes."""

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
    """Use connections with `_Reconnecting` for all channels that kombu opens from now on, except Unix sockets."""
    for channel in (Channel, SentinelChannel):
        for name in ("connection_class", "connection_class_ssl"):
            base = getattr(channel, name)
            if not issubclass(base, _Reconnecting):
                setattr(channel, name, type(f"Reconnecting{base.__name__}", (_Reconnecting, base), {}))
