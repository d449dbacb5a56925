"""The groups of settings that concern PostgreSQL, Redis and the feed. `config.settings` adds the others."""

from datetime import timedelta
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from config.durations import Duration, DurationOrZero, Durations, parse_durations
from config.home import default_home
from config.setting_types import STREAMS_MAX, DatabaseUrl, Name, Names, PathName, RedisUrl

VARIABLE_PREFIX = "PAYMENTS_"
UNPREFIXED_FIELDS = ("DATABASE_URL", "REDIS_URL", "CELERY_BROKER_URL")


def variable(field: str) -> str:
    """Return the name of the environment variable for a field of the settings."""
    name = field.upper()
    return name if name in UNPREFIXED_FIELDS else VARIABLE_PREFIX + name


class SettingGroup(BaseModel):
    """Base class of a group of settings. The string below a field describes it in `docs/reference/settings.md`."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=variable, use_attribute_docstrings=True)


class EngineSettings(SettingGroup):
    """The addresses of PostgreSQL and Redis, and the folder for the data of embedded servers."""

    database_url: DatabaseUrl | None = Field(None, repr=False)
    """PostgreSQL 15 or newer, for example `postgresql://billing@db:5432/payments?sslmode=verify-full`, with a database
    in UTF-8. When it is unset, `payments up` starts an embedded server."""
    redis_url: RedisUrl | None = Field(None, repr=False)
    """Redis 6.2 or newer, or Valkey, for example `redis://redis:6379/0`, or their Sentinels
    (`redis+sentinel://`). The event stream is in the database that the URL names. When it is unset, `payments up`
    starts an embedded server."""
    celery_broker_url: RedisUrl | None = Field(None, repr=False)
    """Redis database of the Celery broker. When it is unset, the broker uses the database after that of `REDIS_URL`."""
    home: PathName = Field(default_factory=default_home)
    """Directory for the data of the embedded engines, logs and run files. One stack runs per directory."""

    @property
    def is_embedded(self) -> bool:
        """Whether `payments up` starts PostgreSQL, Redis or both, because a URL is not set."""
        return self.database_url is None or self.redis_url is None


class FeedSettings(SettingGroup):
    """Settings for reading, verifying, importing and retrying the events of the feed."""

    stream: Name = "emr:payments"
    """Redis stream that the EMR publishes to."""
    streams: Annotated[int, Field(ge=1, le=STREAMS_MAX)] = 1
    """Number of streams into which the feed is partitioned by company: `emr:payments:0` and so on. The unnumbered
    stream is always read too."""

    keep_entries: DurationOrZero = timedelta()
    """How long acknowledged entries stay on the stream, counted from their publication. `payments replay` imports them
    again after a failover to a PostgreSQL standby that had not received the latest commits. With `0` an entry is
    deleted when it is acknowledged. Set it for the intake, the importer and the retrier. If the memory of Redis fills,
    entries are deleted earlier. Use Redis 7.0 or newer, or Valkey: Redis 6.2 may count kept entries as waiting."""

    signing_keys: PathName | None = None
    """TOML file with the keys with which companies sign their events. The importer, the retrier and the intake read it
    once, when they start."""
    signatures_required: Names = ()
    """With `all`, events of companies without a key are rejected too. With a list of companies, separated by commas,
    the importer, the retrier and the intake start only if every listed company has a key. A company with a key must
    always sign."""

    retry_ladder: Durations = parse_durations("5s,30s,2m,10m,30m,2h,5h,10h")
    """Backoff schedule: the longest delay before each retry. After the last step the payment is Not Sent with the
    reason `retries_exhausted`."""
    patient_recheck: Duration = timedelta(minutes=15)
    """Interval at which a payment with an unknown patient is re-evaluated."""
    patient_wait_max: Duration = timedelta(hours=24)
    """Longest time that a payment waits for its patient. Then it is Not Sent with the reason `patient_not_found`."""

    chunk_events: Annotated[int, Field(ge=1, le=10_000)] = 500
    """Largest number of events that one transaction imports."""
    pending_max: Annotated[int, Field(ge=1, le=1_000_000)] = 5_000
    """Largest number of events that may be delivered and not yet acknowledged. Further events wait in the stream."""
    importer_processes: Annotated[int, Field(ge=1, le=256)] = 1
    """Number of worker processes of one importer."""

    publish_unprocessed_max: Annotated[int, Field(ge=1)] | None = None
    """Limit of the commands `payments emr publish`, `simulate` and `replay-synthea`: if a stream has this number of
    unprocessed events, they end with an error. When it is unset, they publish until Redis is full. A publisher in
    Python passes its own limit to `PaymentFeed`."""
    publish_replicas: Annotated[int, Field(ge=0, le=100)] = 0
    """Number of Redis replicas that must have received an event before `payments emr publish`, `simulate` and
    `replay-synthea` count it as published."""
    publish_on_disk: bool = False
    """Set it to `true` if the primary, and as many replicas as `PAYMENTS_PUBLISH_REPLICAS` says, must also have written
    the event to their append-only file (Redis 7.2 or newer)."""

    @model_validator(mode="after")
    def _check_chunk_size(self) -> Self:
        if self.chunk_events > self.pending_max:
            raise ValueError("PAYMENTS_CHUNK_EVENTS: expected no more than PAYMENTS_PENDING_MAX")
        return self
