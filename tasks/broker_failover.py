"""Let Celery reconnect when the broker takes no writes, as it does when the broker does not answer.

A server answers READONLY after a failover behind an address that moved, and NOREPLICAS while `min-replicas-to-write` is
not met. kombu regards these as errors of a command, which end a worker.
"""

from typing import Any

import redis
from kombu.transport.redis import Channel, SentinelChannel

from config.redis_clients import says_cannot_write


class _Reconnecting:
    """Mixin for connections of redis-py."""

    def read_response(self, *arguments: Any, **options: Any) -> Any:
        """Read a reply. Raises ConnectionError, and disconnects, if the server takes no writes."""
        connection: Any = super()
        try:
            return connection.read_response(*arguments, **options)
        except redis.ResponseError as error:
            if not says_cannot_write(error):
                raise
            connection.disconnect()
            raise redis.ConnectionError(str(error)) from error


def reconnect_after_failover() -> None:
    """Use such connections for all channels that kombu opens from now on. Unix sockets are excepted."""
    for channel in (Channel, SentinelChannel):
        for name in ("connection_class", "connection_class_ssl"):
            base = getattr(channel, name)
            if not issubclass(base, _Reconnecting):
                setattr(channel, name, type(f"Reconnecting{base.__name__}", (_Reconnecting, base), {}))
