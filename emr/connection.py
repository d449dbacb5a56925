"""Connect a publisher to the Redis server of the feed, and translate the errors of Redis."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import redis
from redis.exceptions import AuthorizationError

from config.redis_clients import make_redis_client
from config.redis_urls import describe_redis, normalize_redis_url
from emr.errors import FeedRefusedError, FeedUnreachableError

SOCKET_TIMEOUT_SECONDS = 15
CONNECT_TIMEOUT_SECONDS = 5
# redis-py has classes for some codes, such as OOM and READONLY, and leaves the others in the text. It drops ERR.
_STATE_CODE_PATTERN = re.compile("[A-Z]{3,} ")


class FeedConnection:
    """A connection to the Redis server of a URL.

    `server` is the server's name in error messages. It does not contain the password. Raises ValueError for an invalid
    URL.
    """

    def __init__(self, url: str) -> None:
        try:
            url = normalize_redis_url(url)
        except ValueError as error:
            raise ValueError(f"not a Redis URL such as redis://user:password@host:6379/0: {error}") from None
        self.server = describe_redis(url)
        self.redis = make_redis_client(
            url,
            socket_timeout=SOCKET_TIMEOUT_SECONDS,
            socket_connect_timeout=CONNECT_TIMEOUT_SECONDS,
            # redis-py rejects this option for a Unix socket.
            **({} if url.startswith("unix:") else {"socket_keepalive": True}),
        )

    @contextmanager
    def translating_errors(self, confirmed_count: int) -> Iterator[None]:
        """Translate errors of Redis that occur in the block.

        Raises FeedRefusedError if Redis replies with an error, and FeedUnreachableError if it does not reply.
        """
        try:
            yield
        except (redis.AuthenticationError, AuthorizationError, redis.ResponseError) as refused:
            error = FeedRefusedError(self.server, str(refused), confirmed_count)
            error.may_concern_event = type(refused) is redis.ResponseError and not _STATE_CODE_PATTERN.match(
                str(refused)
            )
            raise error from refused
        except redis.RedisError as fault:
            raise FeedUnreachableError(self.server, str(fault), confirmed_count) from fault
