"""Make Celery reconnect not only if the broker does not answer, but also if the broker accepts no writes.

After a failover that moves the broker's address, the former primary answers READONLY on open connections. A server
answers NOREPLICAS while `min-replicas-to-write` is not met. kombu treats both answers as errors of a command, which
would end a worker.
"""

import contextlib
import os
import socket
from typing import Any
from weakref import WeakValueDictionary

import redis
from kombu.transport.redis import Channel, SentinelChannel

from config.redis_clients import says_cannot_write

_CONNECTIONS: WeakValueDictionary[int, Any] = WeakValueDictionary()
"""All connections with `_Reconnecting` in this process."""


class _Reconnecting:
    """Mixin for connections of redis-py: reconnect if the server accepts no writes.

    The other connections of this process to that server end too, as if the server had been lost. Otherwise, a worker
    that cannot acknowledge its last message would read no further ones, and never notice that the server cannot write.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        _CONNECTIONS[id(self)] = self

    def read_response(self, *arguments: Any, **options: Any) -> Any:
        """Read a reply. If the server accepts no writes, disconnect and raise ConnectionResetError.

        After its own ConnectionError, redis-py would repeat a transaction endlessly, always on the same server.
        """
        connection: Any = self
        try:
            return super().read_response(*arguments, **options)  # type: ignore[misc]  # of the class it is mixed into
        except (redis.ResponseError, redis.ConnectionError) as error:
            if (refusal_text := _refusal_text(error)) is None:
                raise
            _end_connections(connection.host, connection.port)
            connection.disconnect()
            raise ConnectionResetError(refusal_text) from error


def _refusal_text(error: redis.RedisError) -> str | None:
    """Return the server's reply that it accepts no writes, or None if the error is another one."""
    # redis-py replaces the error of a replica if Sentinels named the server.
    refusal = error if isinstance(error, redis.ResponseError) else error.__context__
    return str(refusal) if refusal is not None and says_cannot_write(refusal) else None


def _end_connections(host: str, port: int) -> None:
    """End the connections of this process to a server.

    The sockets are shut down but not closed, so that an event loop notices the end of each connection.
    """
    for each in [reference() for reference in _CONNECTIONS.valuerefs()]:
        if each is None or (each.host, each.port) != (host, port) or each.pid != os.getpid():
            continue
        if (opened := each._sock) is not None:  # redis-py can close a socket only
            with contextlib.suppress(OSError):  # it has ended already
                opened.shutdown(socket.SHUT_RDWR)


def reconnect_after_failover() -> None:
    """Use connections with `_Reconnecting` for all channels that kombu opens from now on, except Unix sockets."""
    for channel in (Channel, SentinelChannel):
        for name in ("connection_class", "connection_class_ssl"):
            base = getattr(channel, name)
            if not issubclass(base, _Reconnecting):
                setattr(channel, name, type(f"Reconnecting{base.__name__}", (_Reconnecting, base), {}))
