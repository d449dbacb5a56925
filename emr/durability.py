"""Wait until replicas or disks have an event, before the publisher counts it as published."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import redis
from redis.client import Pipeline

_TIMEOUT_MAX = timedelta(seconds=10)


@dataclass(frozen=True, slots=True)
class Durability:
    """The conditions under which an event counts as published. By default, it must be in the memory of the primary.

    - `replicas`: the number of replicas that must have received the event (the command WAIT).
    - `on_disk`: the primary and these replicas must also have written the event to their append-only files (WAITAOF,
      Redis 7.2 or newer). A replica reports this once a second.
    - `timeout`: the time for which a publisher waits for replicas and disks.

    Raises ValueError for a negative number of replicas, and for a timeout below 1 ms or above 10 s.
    """

    replicas: int = 0
    on_disk: bool = False
    timeout: timedelta = timedelta(seconds=3)

    def __post_init__(self) -> None:
        """Check the values. Raises ValueError if one is out of range."""
        if self.replicas < 0:
            raise ValueError(f"replicas: 0 or more, not {self.replicas}")
        if not timedelta(milliseconds=1) <= self.timeout <= _TIMEOUT_MAX:
            raise ValueError(f"timeout: from 1 ms to {_TIMEOUT_MAX.seconds} s, not {self.timeout.total_seconds()} s")

    @property
    def is_default(self) -> bool:
        """Whether events count as published without a confirmation."""
        return not (self.replicas or self.on_disk)

    def check_socket_timeout(self, connection_options: Mapping[str, Any]) -> None:
        """Raise ValueError unless `timeout` is below the socket timeout of a connection with these options."""
        if not self.is_default and self.timeout.total_seconds() >= connection_options["socket_timeout"]:
            raise ValueError("the timeout of the durability must be shorter than the socket_timeout of the URL")


DEFAULT_DURABILITY = Durability()


class WaitRefusedError(redis.ResponseError):
    """Redis refuses WAIT or WAITAOF.

    The user lacks the right, there is no append-only file, or the command is unknown.
    """


class Confirmation:
    """Asks Redis whether events are stored as a Durability demands, on the connection that sends them.

    If a confirmation is missing, no more events are sent until `missing_at_present` receives a confirmation. Otherwise
    a publisher that repeats its events would fill the stream with copies while the replicas are down.
    """

    def __init__(self, durability: Durability) -> None:
        self._durability = durability
        self._was_confirmed = durability.is_default
        self.replication_id: str | None = None
        """The replication ID of the primary that gave the latest confirmation.

        It is None if `durability` demands no replica, or if the user may not run INFO.
        """

    def missing_at_present(self, client: redis.Redis) -> str | None:
        """Return the guarantee that is missing at present, or None if events can be confirmed.

        Redis is asked at the first call, and at the first call after a confirmation was missing. Raises the errors of
        `missing_guarantee`.
        """
        if self._was_confirmed:
            return None
        with client.pipeline(transaction=False) as pipeline:
            self.request(pipeline)
            return self.missing_guarantee(pipeline.execute(raise_on_error=False))

    def request(self, pipeline: "Pipeline") -> None:
        """Add WAIT or WAITAOF to the end of a pipeline. If the durability is the default, add nothing.

        If it demands a replica, INFO comes before, so that both replies are from the same server.
        """
        required = self._durability
        if required.replicas:
            pipeline.info("replication")
        milliseconds = required.timeout // timedelta(milliseconds=1)
        if required.on_disk:
            pipeline.waitaof(1, required.replicas, milliseconds)
        elif required.replicas:
            pipeline.wait(required.replicas, milliseconds)
        self._was_confirmed = required.is_default

    def missing_guarantee(self, replies: Sequence[Any]) -> str | None:
        """Return the guarantee that is missing according to the last replies of a pipeline, or None.

        Raises WaitRefusedError if Redis refuses WAIT or WAITAOF. If Redis did not answer, the reply is an error, which
        is raised.
        """
        if self._durability.is_default:
            return None
        reply = replies[-1]
        if isinstance(reply, redis.ResponseError):
            raise WaitRefusedError(str(reply)) from reply
        if isinstance(reply, redis.RedisError):
            raise reply
        missing = self._missing_part(reply)
        self._was_confirmed = missing is None
        if self._durability.replicas:
            self.replication_id = read_replication_id(replies[-2])
        return missing

    def _missing_part(self, reply: Any) -> str | None:
        required = self._durability
        local, replicas = reply if required.on_disk else (1, reply)
        seconds = f"within {required.timeout.total_seconds():g} s"
        if local < 1:
            return f"the server did not write them to its append-only file {seconds}"
        if replicas < required.replicas:
            return f"{replicas} of {required.replicas} replicas stored them {seconds}"
        return None


def read_replication_id(reply: Any) -> str | None:
    """Return the replication ID in the reply to `INFO replication`, or None if Redis refuses INFO.

    The ID changes whenever a server becomes the primary.
    """
    return str(reply["master_replid"]) if isinstance(reply, Mapping) else None
