"""The settings of an installation, read from the environment once when a process starts."""

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    SecretStr,
    ValidationError,
    model_validator,
)

from config.durations import Duration, Durations, parse_durations
from config.service_links import is_service_link
from config.setting_types import (
    STREAMS_MAX,
    DatabaseUrl,
    LogFormat,
    LogLevel,
    Name,
    Names,
    PathName,
    Port,
    RedisUrl,
    WebAddress,
    default_home,
)
from config.suggestions import suggestion
from config.tracing import is_tracing_installed
from payments.core.timezone import DEFAULT_TIMEZONE, check_timezone

_PREFIX = "PAYMENTS_"
_UNPREFIXED = ("DATABASE_URL", "REDIS_URL", "CELERY_BROKER_URL")


class SettingsError(Exception):
    """A setting is misspelt or invalid. The message is one line and names the variable."""

    exit_status = 2


def _variable(field: str) -> str:
    name = field.upper()
    return name if name in _UNPREFIXED else _PREFIX + name


class Settings(BaseModel):
    """The settings of one process. The repr omits URLs and passwords, because it may be logged.

    The string below a field describes the setting in `docs/reference/settings.md`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=_variable, use_attribute_docstrings=True)

    database_url: DatabaseUrl | None = Field(None, repr=False)
    """PostgreSQL 15 or newer, for example `postgresql://billing@db:5432/payments?sslmode=verify-full`, with a database
    in UTF-8. When it is unset, `payments up` starts an embedded server."""
    redis_url: RedisUrl | None = Field(None, repr=False)
    """Redis 6.2 or newer, or Valkey, for example `redis://redis:6379/0`. The event stream is in the database that the
    URL names. When it is unset, `payments up` starts an embedded server."""
    celery_broker_url: RedisUrl | None = Field(None, repr=False)
    """Redis database of the Celery broker. When it is unset, the broker uses the database after that of `REDIS_URL`."""
    home: PathName = Field(default_factory=default_home)
    """Directory for the data of the embedded engines, logs and run files. One stack runs per directory."""
    stream: Name = "emr:payments"
    """Redis stream that the EMR publishes to."""
    streams: Annotated[int, Field(ge=1, le=STREAMS_MAX)] = 1
    """Number of streams that the feed is partitioned into by company: `emr:payments:0` and so on. The unnumbered stream
    is always read too."""

    signing_keys: PathName | None = None
    """TOML file with the keys that companies sign their events with. The importer, the retrier and the intake read it
    once, when they start."""
    signatures_required: Names = ()
    """`all` also rejects the events of companies without a key. Companies, separated by commas: each must have a key,
    or these services do not start. A company with a key must always sign."""

    console_port: Port = 8000
    """Port of the console's pages and API on 127.0.0.1."""
    console_https: bool = False
    """Set it to `true` behind a proxy that terminates https. Cookies are then Secure, and the console takes the
    visitor's address from `X-Forwarded-For`."""
    console_url: WebAddress | None = None
    """Address of the console in a browser, if users reach it through a proxy. Flower links to it. When it is unset,
    `http://127.0.0.1:` and the port."""
    flower_url: WebAddress | None = None
    """Address of Flower in a browser, if users reach it through a proxy. The console links to it. When it is unset,
    `http://127.0.0.1:` and the port."""
    session_hours: Annotated[int, Field(ge=1, le=24 * 30)] = 12
    """Hours after which a login to the console ends."""
    metrics_token: SecretStr | None = None
    """Bearer token that Prometheus sends for `/metrics`. When it is unset, the page does not exist."""
    flower_port: Port = 5555
    """Port of Flower on 127.0.0.1."""
    flower_user: Name | None = None
    """Name of Flower's login. Flower requires a login if both engines are named by URL."""
    flower_password: SecretStr | None = None
    """Password of Flower's login. Set both or neither."""

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
    """Largest number of events that may be delivered and not yet acknowledged. The rest waits in the stream."""
    importer_processes: Annotated[int, Field(ge=1, le=256)] = 1
    """Worker processes of one importer."""

    default_timezone: Annotated[str, AfterValidator(check_timezone)] = DEFAULT_TIMEZONE
    """Time zone of new companies, an IANA name. Choose another with `payments company set COMPANY --timezone`."""

    unknown_companies: Literal["create", "refuse"] = "create"
    """What the first event of an unknown company or clinic does: `create` adds it, with its integration off. With
    `refuse` the event is Not Sent (`unknown_company`, `unknown_clinic`) until an administrator adds it."""

    keep_events_months: Annotated[int, Field(ge=2, le=1200)] | None = None
    """Retention of event ids, in full months before the current one. `workers.migrate` drops older months. When it is
    unset, nothing is dropped."""
    keep_history_months: Annotated[int, Field(ge=12, le=1200)] | None = None
    """Retention of the payments' timelines, in full months before the current one, as above."""
    keep_audit_months: Annotated[int, Field(ge=12, le=1200)] | None = None
    """Retention of the audit history, in full months before the current one, as above."""

    traces_url: Annotated[str, Field(pattern=r"^https?://[^\s/]+")] | None = None
    """OpenTelemetry collector that takes OTLP over HTTP, for example `http://collector:4318`. When it is unset,
    nothing is traced. It needs the extra `traces`."""
    log_format: LogFormat | None = None
    """Format of the log. When it is unset, `columns` at a terminal and `json` elsewhere."""
    log_level: LogLevel = "info"
    """Lowest level that is logged."""

    _service_links: tuple[str, ...] = PrivateAttr(())

    def model_post_init(self, context: object) -> None:
        """Store the names of the ignored service links, which `read_settings` passes in the validation context."""
        if isinstance(context, dict):
            self._service_links = context["service_links"]

    @property
    def service_links(self) -> tuple[str, ...]:
        """Names of the variables that are ignored because Kubernetes added them for a service."""
        return self._service_links

    @model_validator(mode="after")
    def _check_flower_login(self) -> Self:
        if (self.flower_user is None) != (self.flower_password is None):
            raise ValueError("PAYMENTS_FLOWER_USER and PAYMENTS_FLOWER_PASSWORD: set both or neither")
        return self

    @model_validator(mode="after")
    def _check_tracing_installed(self) -> Self:
        if self.traces_url is not None and not is_tracing_installed():
            raise ValueError("PAYMENTS_TRACES_URL: needs the extra `traces`: pip install 'payments[traces]'")
        return self

    @model_validator(mode="after")
    def _check_chunk_size(self) -> Self:
        if self.chunk_events > self.pending_max:
            raise ValueError("PAYMENTS_CHUNK_EVENTS: expected no more than PAYMENTS_PENDING_MAX")
        return self

    @property
    def console_address(self) -> str:
        """Address of the console in a browser."""
        return self.console_url or f"http://127.0.0.1:{self.console_port}"

    @property
    def flower_address(self) -> str:
        """Address of Flower in a browser."""
        return self.flower_url or f"http://127.0.0.1:{self.flower_port}"

    @property
    def is_embedded(self) -> bool:
        """Whether `payments up` starts PostgreSQL, Redis or both, because a URL is not set."""
        return self.database_url is None or self.redis_url is None


VARIABLES: tuple[str, ...] = tuple(_variable(field) for field in Settings.model_fields)
SECRETS = (*_UNPREFIXED, "PAYMENTS_METRICS_TOKEN", "PAYMENTS_FLOWER_PASSWORD")
_FILE = "_FILE"
"""Suffix of the variable that names a file with the value of a secret setting."""


def read_settings(environ: Mapping[str, str]) -> Settings:
    """Read the settings from an environment. An empty variable counts as unset, as in Compose files and shells.

    Variables that Kubernetes adds for its services are ignored. Raises SettingsError if a setting is misspelt or
    invalid.
    """
    links = sorted(name for name, value in environ.items() if name.startswith(_PREFIX) and is_service_link(name, value))
    environ = {name: value for name, value in environ.items() if name not in links}
    _reject_misspelt(environ)
    given = _read_secret_files(environ) | {
        name: environ[name].strip() for name in VARIABLES if environ.get(name, "").strip()
    }
    try:
        return Settings.model_validate(given, context={"service_links": tuple(links)})
    except ValidationError as error:
        raise SettingsError(_one_line(error)) from None


def _read_secret_files(environ: Mapping[str, str]) -> dict[str, str]:
    values = {}
    for name in SECRETS:
        if path := environ.get(name + _FILE, "").strip():
            try:
                values[name] = Path(path).read_text("utf-8").strip()
            except (OSError, UnicodeDecodeError) as error:
                reason = getattr(error, "strerror", None) or "it is not in UTF-8"
                raise SettingsError(f"{name}{_FILE}: {path}: {reason}") from None
    return {name: text for name, text in values.items() if text}


def _reject_misspelt(environ: Mapping[str, str]) -> None:
    for name in sorted(environ):
        if name in VARIABLES or name.removesuffix(_FILE) in SECRETS:
            continue
        if name.startswith(_PREFIX):
            raise SettingsError(f"{name}: there is no such setting{suggestion(name, VARIABLES, 0.6)}")
        # A misspelt URL would start an embedded engine instead of using the intended one.
        unset = tuple(real for real in _UNPREFIXED if not environ.get(real))
        if hint := suggestion(name, unset, 0.88):
            raise SettingsError(f"{name}: there is no such setting{hint}")


def _one_line(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_context=False)[0]
    if not first["loc"]:
        return first["msg"].removeprefix("Value error, ")
    name = str(first["loc"][0])
    if first["type"] == "value_error":
        return f"{name}: {first['msg'].removeprefix('Value error, ').removeprefix('timezone: ')}"
    expected = first["msg"].replace("Input should be", "expected")
    if first["type"] == "int_parsing":
        expected = "expected a whole number"
    # Any URL may hold a password.
    may_be_quoted = not any(word in name for word in ("URL", "PASSWORD", "TOKEN"))
    return f"{name}: {expected}, not {first['input']!r}" if may_be_quoted else f"{name}: {expected}"
