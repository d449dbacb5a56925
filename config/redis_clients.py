"""Create Redis clients from normalized URLs. A client uses one server, or the primary that Sentinels name."""

from functools import cache
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.connection import parse_url
from redis.retry import Retry
from redis.sentinel import (
    MasterNotFoundError,
    Sentinel,
    SentinelConnectionPool,
    SentinelManagedConnection,
    SentinelManagedSSLConnection,
)

from config.redis_urls import SentinelUrl, split_sentinel_url

SENTINEL_TIMEOUT_SECONDS = 2
"""A client waits this time for one Sentinel before it asks the next one."""
FAILOVER_SOCKET_TIMEOUT_SECONDS = 5
"""A client of Sentinels waits this time for a reply of the primary, unless its URL sets another time.

If a primary freezes, each connection pool of a process waits once for this time. It is longer than a
blocking command waits in the server, which is at most a second.
"""
_CANNOT_WRITE_ERRORS = ("READONLY", "NOREPLICAS", "MASTERDOWN", "UNBLOCKED", "WAIT cannot", "WAITAOF cannot")


def make_redis_client(url: str, *, socket_timeout: int = 15, **options: Any) -> redis.Redis:
    """Return a client for a normalized URL, with RESP2 and no retries. The client connects at its first command.

    `socket_timeout` is the longest time in seconds that the client waits for a reply. `options` are other
    connection options of redis-py. Options in the URL take precedence.

    If the server answers that it cannot write, the client closes the connection. The next command opens a new one: to
    the primary that the Sentinels name, or to the server to which the address in the URL leads by then.

    A client of Sentinels asks them for the primary at each new connection, and waits at most
    FAILOVER_SOCKET_TIMEOUT_SECONDS for replies. The commands of such a client raise MasterNotFoundError, a
    ConnectionError, if no Sentinel names a primary, and AuthenticationError if the Sentinels refuse the login.
    """
    options = {"protocol": 2, "retry": Retry(NoBackoff(), 0)} | options
    if (sentinel := split_sentinel_url(url)) is None:
        connection_class = parse_url(url).get("connection_class", redis.Connection)  # type: ignore[no-untyped-call]  # redis-py has none here
        options["connection_class"] = _with_disconnect(connection_class)
        return redis.Redis.from_url(url, socket_timeout=socket_timeout, **options)
    options["socket_timeout"] = min(socket_timeout, FAILOVER_SOCKET_TIMEOUT_SECONDS)
    options |= _connection_options(sentinel.primary_url)
    managed = SentinelManagedSSLConnection if options.get("ssl") else SentinelManagedConnection
    options["connection_class"] = _with_disconnect(managed)
    finder: Any = _PrimaryFinder(sentinel.hosts, sentinel_kwargs=_sentinel_options(sentinel))  # type: ignore[no-untyped-call]
    client: redis.Redis = finder.master_for(sentinel.service, **options)
    return client


def kombu_sentinel_options(url: str) -> dict[str, Any]:
    """Return kombu's transport options for a URL of Sentinels.

    For the URL of a single server, return an empty mapping.
    """
    if (sentinel := split_sentinel_url(url)) is None:
        return {}
    given = _connection_options(sentinel.primary_url)
    return {
        "master_name": sentinel.service,
        "sentinel_kwargs": _sentinel_options(sentinel),
        "socket_timeout": given.get("socket_timeout", FAILOVER_SOCKET_TIMEOUT_SECONDS),
        # A blocked connection that is silent for one second more counts as dead. It is checked as often.
        "health_check_interval": given.get("health_check_interval", FAILOVER_SOCKET_TIMEOUT_SECONDS),
    }


def kombu_tls_options(url: str) -> dict[str, Any] | None:
    """Return the TLS options of a URL for kombu and Flower, or None if the URL does not use TLS.

    The server's certificate is verified unless the URL says otherwise. The options must be passed separately from the
    URL, because kombu ignores TLS in a URL without `ssl_cert_reqs`, and Flower ignores all options in a URL.
    """
    if not url.startswith("rediss"):
        return None
    sentinel = split_sentinel_url(url)
    options: dict[str, Any] = parse_url(sentinel.primary_url if sentinel else url)  # type: ignore[no-untyped-call]  # redis-py has none here
    return {"ssl_cert_reqs": "required"} | {name: options[name] for name in options if name.startswith("ssl_")}


def primary_address(client: redis.Redis) -> str | None:
    """Return the address of the primary that the Sentinels last named, or None for a client without Sentinels."""
    pool = client.connection_pool
    if not isinstance(pool, SentinelConnectionPool) or pool.master_address is None:
        return None
    host, port = pool.master_address
    return f"{host}:{port}"


def says_cannot_write(error: BaseException) -> bool:
    """Return whether an error of Redis means that the server accepts no writes at present.

    This is so if the server is a replica, which refuses WAIT and WAITAOF too, has too few replicas
    (`min-replicas-to-write`), or became a replica while a command was blocked.
    """
    return isinstance(error, redis.ReadOnlyError) or str(error).startswith(_CANNOT_WRITE_ERRORS)


class _DisconnectIfCannotWrite:
    """Mixin for connections of redis-py: close the connection after an error that says that the server cannot write.

    The command, or the pipeline, still reads its other replies.
    """

    def read_response(self, *arguments: Any, **options: Any) -> Any:
        """Read a reply."""
        connection: Any = self
        try:
            return super().read_response(*arguments, **options)  # type: ignore[misc]  # of the class it is mixed into
        except redis.ResponseError as error:
            if says_cannot_write(error):
                connection.mark_for_reconnect()
            raise


@cache
def _with_disconnect(base: type[Any]) -> type[Any]:
    """Return a subclass of `base`, a connection class of redis-py, with the mixin `_DisconnectIfCannotWrite`."""
    return type(f"DisconnectIfCannotWrite{base.__name__}", (_DisconnectIfCannotWrite, base), {})


def _connection_options(url: str) -> dict[str, Any]:
    """Return the URL's credentials, database and options as keyword arguments of redis-py, without the host."""
    options: dict[str, Any] = parse_url(url)  # type: ignore[no-untyped-call]  # redis-py has none here
    del options["host"]
    if options.pop("connection_class", None):  # that of TLS
        options["ssl"] = True
    return options


def _sentinel_options(sentinel: SentinelUrl) -> dict[str, Any]:
    return {
        "protocol": 2,
        "socket_timeout": SENTINEL_TIMEOUT_SECONDS,
        "socket_connect_timeout": SENTINEL_TIMEOUT_SECONDS,
        # By default redis-py would ask a dead Sentinel ten times, with growing pauses, before it asks the next one.
        "retry": Retry(NoBackoff(), 0),
        **_connection_options(sentinel.sentinel_url),
    }


class _PrimaryFinder(Sentinel):
    """Asks Sentinels for the address of a primary.

    If there is none, the error gives the reason, without credentials.
    """

    def discover_master(self, service_name: str) -> tuple[str, int]:
        """Return the host and port of the primary. The Sentinel that answered is asked first at the next call.

        Raises AuthenticationError if no Sentinel answers and one refuses the login. Raises MasterNotFoundError if the
        Sentinels name no primary for another reason.
        """
        refusal: redis.AuthenticationError | None = None
        silence: Exception | None = None
        answers: list[Any] = []
        for number, sentinel in enumerate(self.sentinels):
            try:
                states: Any = sentinel.sentinel_masters()
            except redis.AuthenticationError as error:
                refusal = error
                continue
            except (redis.ConnectionError, redis.TimeoutError) as error:
                silence = error
                continue
            state = states.get(service_name)
            if state and self.check_master_state(state, service_name):  # type: ignore[no-untyped-call]
                self.sentinels.insert(0, self.sentinels.pop(number))
                return state["ip"], state["port"]
            answers.append(state)
        if refusal and not answers:
            raise redis.AuthenticationError(f"the Sentinels refuse the login ({refusal}); check sentinel_password")
        raise MasterNotFoundError(_reason_for_no_primary(service_name, answers, silence))


def _reason_for_no_primary(service: str, answers: list[Any], silence: Exception | None) -> str:
    if not answers:
        return f"no Sentinel answers: {silence}"
    if not any(answers):
        return f"the Sentinels do not watch a service {service}"
    return f"the primary of {service} is down, and the Sentinels have not replaced it yet"
