"""Everything an operator may set, read once at a process's entry; knows no engine, no queue and no ledger."""

import difflib
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationError, model_validator

from config.durations import Duration, Durations, durations
from config.tracing import can_trace
from config.urls import normalised_database_url, normalised_redis_url, web_address

_PREFIX = "PAYMENTS_"
_UNPREFIXED = ("DATABASE_URL", "REDIS_URL", "CELERY_BROKER_URL")


class SettingsError(Exception):
    """A setting is misspelt or invalid."""


def _variable(field: str) -> str:
    name = field.upper()
    return name if name in _UNPREFIXED else _PREFIX + name


def _listed(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _default_home() -> Path:
    """`.payments/` in the checkout that holds this file, or in the current directory when installed elsewhere."""
    checkout = Path(__file__).resolve().parent.parent
    return (checkout if (checkout / "pyproject.toml").is_file() else Path.cwd()) / ".payments"


Port = Annotated[int, Field(ge=1, le=65535)]
Name = Annotated[str, Field(min_length=1, max_length=200)]
DatabaseUrl = Annotated[str, BeforeValidator(normalised_database_url)]
RedisUrl = Annotated[str, BeforeValidator(normalised_redis_url)]
Names = Annotated[tuple[Name, ...], BeforeValidator(lambda value: _listed(value) if isinstance(value, str) else value)]
PathName = Annotated[Path, BeforeValidator(lambda value: Path(value).expanduser().absolute())]
WebAddress = Annotated[str, BeforeValidator(web_address)]
LogFormat = Literal["json", "columns"]
LogLevel = Annotated[
    Literal["debug", "info", "warning", "error"],
    BeforeValidator(lambda value: value.lower() if isinstance(value, str) else value),
]


class Settings(BaseModel):
    """The settings of one process. URLs and passwords stay out of its repr, for they end in logs."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=_variable)

    database_url: DatabaseUrl | None = Field(None, repr=False)
    redis_url: RedisUrl | None = Field(None, repr=False)
    celery_broker_url: RedisUrl | None = Field(None, repr=False)
    home: PathName = Field(default_factory=_default_home)
    stream: Name = "emr:payments"
    # More than one: the events of a company lie on a numbered stream, which payments/core/split.py finds.
    streams: Annotated[int, Field(ge=1, le=256)] = 1

    # The file of the keys with which companies sign their events, and the companies that have to; `all` for every one.
    signing_keys: PathName | None = None
    signatures_required: Names = ()

    console_port: Port = 8000
    # Behind a proxy that speaks https: cookies are marked Secure, and the proxy's word on the visitor's address counts.
    console_https: bool = False
    # Where people's browsers find the two, which link to each other; 127.0.0.1 unless they come through a proxy.
    console_url: WebAddress | None = None
    flower_url: WebAddress | None = None
    session_hours: Annotated[int, Field(ge=1, le=24 * 30)] = 12
    # Who asks for /metrics shows it as a bearer token; without it the page does not exist.
    metrics_token: SecretStr | None = None
    flower_port: Port = 5555
    flower_user: Name | None = None
    flower_password: SecretStr | None = None

    # When a try fails, the next one comes after the next step; after the last step the event is Not Sent.
    retry_ladder: Durations = durations("5s,30s,2m,10m,30m,2h,5h,10h")
    # A payment may reach Billing before its patient does.
    patient_recheck: Duration = timedelta(minutes=15)
    patient_wait_max: Duration = timedelta(hours=24)

    chunk_events: Annotated[int, Field(ge=1, le=10_000)] = 500
    pending_max: Annotated[int, Field(ge=1, le=1_000_000)] = 5_000
    importer_processes: Annotated[int, Field(ge=1, le=256)] = 1

    # For how many months, beside the one that runs, something is kept; for ever where it is not set.
    keep_events_months: Annotated[int, Field(ge=2, le=1200)] | None = None
    keep_history_months: Annotated[int, Field(ge=12, le=1200)] | None = None
    keep_audit_months: Annotated[int, Field(ge=12, le=1200)] | None = None

    # An OpenTelemetry collector that speaks OTLP over HTTP; without it nothing is traced.
    traces_url: Annotated[str, Field(pattern=r"^https?://[^\s/]+")] | None = None
    log_format: LogFormat | None = None
    log_level: LogLevel = "info"

    @model_validator(mode="after")
    def _flower_login_is_whole(self) -> Self:
        if (self.flower_user is None) != (self.flower_password is None):
            raise ValueError("PAYMENTS_FLOWER_USER and PAYMENTS_FLOWER_PASSWORD: set both or neither")
        return self

    @model_validator(mode="after")
    def _traces_can_be_made(self) -> Self:
        if self.traces_url is not None and not can_trace():
            raise ValueError("PAYMENTS_TRACES_URL: needs the extra `traces`: pip install 'payments[traces]'")
        return self

    @model_validator(mode="after")
    def _a_chunk_fits(self) -> Self:
        if self.chunk_events > self.pending_max:
            raise ValueError("PAYMENTS_CHUNK_EVENTS: expected no more than PAYMENTS_PENDING_MAX")
        return self

    @property
    def console_address(self) -> str:
        """Where browsers find the console."""
        return self.console_url or f"http://127.0.0.1:{self.console_port}"

    @property
    def flower_address(self) -> str:
        """Where browsers find Flower."""
        return self.flower_url or f"http://127.0.0.1:{self.flower_port}"

    @property
    def embedded(self) -> bool:
        """Whether at least one engine is started by `payments up` rather than named by a URL."""
        return self.database_url is None or self.redis_url is None


VARIABLES: tuple[str, ...] = tuple(_variable(field) for field in Settings.model_fields)
SECRETS = (*_UNPREFIXED, "PAYMENTS_METRICS_TOKEN", "PAYMENTS_FLOWER_PASSWORD")
_FILE = "_FILE"
"""What may hold a password may lie in a file, which the variable of this name and this ending names."""


def read_settings(environ: Mapping[str, str]) -> Settings:
    """Build the settings from an environment, or raise a SettingsError of one line that names the variable.

    An empty variable counts as unset, as compose files and shells write it.
    """
    _refuse_misspelt(environ)
    given = _in_files(environ) | {name: environ[name].strip() for name in VARIABLES if environ.get(name, "").strip()}
    try:
        return Settings.model_validate(given)
    except ValidationError as error:
        raise SettingsError(_one_line(error)) from None


def _in_files(environ: Mapping[str, str]) -> dict[str, str]:
    found = {}
    for name in SECRETS:
        if path := environ.get(name + _FILE, "").strip():
            try:
                found[name] = Path(path).read_text("utf-8").strip()
            except (OSError, UnicodeDecodeError) as error:
                reason = getattr(error, "strerror", None) or "it is not in UTF-8"
                raise SettingsError(f"{name}{_FILE}: {path}: {reason}") from None
    return {name: text for name, text in found.items() if text}


def _refuse_misspelt(environ: Mapping[str, str]) -> None:
    for name in sorted(environ):
        if name in VARIABLES or name.removesuffix(_FILE) in SECRETS:
            continue
        if name.startswith(_PREFIX):
            raise SettingsError(f"{name}: there is no such setting{_closest(name, VARIABLES, 0.6)}")
        # A misspelt URL would start an embedded engine where a real one was meant.
        unset = [real for real in _UNPREFIXED if not environ.get(real)]
        if hint := _closest(name, unset, 0.88):
            raise SettingsError(f"{name}: there is no such setting{hint}")


def _closest(name: str, names: list[str] | tuple[str, ...], cutoff: float) -> str:
    found = difflib.get_close_matches(name, names, n=1, cutoff=cutoff)
    return f"; did you mean {found[0]}?" if found else ""


def _one_line(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_context=False)[0]
    if not first["loc"]:
        return first["msg"].removeprefix("Value error, ")
    name = str(first["loc"][0])
    if first["type"] == "value_error":
        return f"{name}: {first['msg'].removeprefix('Value error, ')}"
    expected = first["msg"].replace("Input should be", "expected")
    if first["type"] == "int_parsing":
        expected = "expected a whole number"
    # URLs and passwords are checked by functions of ours, which repeat nothing; the rest is no secret.
    return (
        f"{name}: {expected}"
        if "PASSWORD" in name or "TOKEN" in name
        else f"{name}: {expected}, not {first['input']!r}"
    )
