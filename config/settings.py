"""The settings of an installation, read from the environment once when a process starts."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    Field,
    PrivateAttr,
    SecretStr,
    ValidationError,
    model_validator,
)

from config.addresses import LOOPBACK, local_host
from config.service_links import is_service_link
from config.setting_groups import UNPREFIXED_FIELDS, VARIABLE_PREFIX, EngineSettings, FeedSettings, variable
from config.setting_types import (
    Address,
    LogFormat,
    LogLevel,
    Name,
    Networks,
    Port,
    WebAddress,
)
from config.suggestions import suggestion
from config.tracing import is_tracing_installed
from payments.core.timezone import DEFAULT_TIMEZONE, check_timezone


class SettingsError(Exception):
    """A setting is misspelt or invalid. The message is one line and names the variable."""

    exit_status = 2


class Settings(FeedSettings, EngineSettings):
    """The settings of one process. Its repr omits URLs and passwords, because it may be logged."""

    bind_address: Address = LOOPBACK
    """IP address that the console (pages, API and metrics) and Flower listen on. Keep the default if your https proxy
    is on the same machine. In Kubernetes it is `0.0.0.0` or `::`, and network policies restrict who can connect."""
    trusted_proxies: Networks = (LOOPBACK,)
    """IP addresses and networks of your https proxies, separated by commas. If `PAYMENTS_CONSOLE_HTTPS` is `true`, the
    console takes the visitor's address from the `X-Forwarded-For` header of these proxies only."""
    console_port: Port = 8000
    """Port of the console's pages, API and metrics."""
    console_https: bool = False
    """Set it to `true` behind a proxy that terminates https. Cookies are then Secure, and the console takes the
    visitor's address from `X-Forwarded-For`."""
    console_url: WebAddress | None = None
    """Address of the console in a browser, if users reach it through a proxy. Flower links to it. When it is unset,
    the bind address and the port are used."""
    flower_url: WebAddress | None = None
    """Address of Flower in a browser, if users reach it through a proxy. The console links to it. When it is unset,
    the bind address and the port are used."""
    session_hours: Annotated[int, Field(ge=1, le=24 * 30)] = 12
    """Hours after which a login to the console ends, even if it is used."""
    session_idle_minutes: Annotated[int, Field(ge=1, le=60 * 24)] = 60
    """Minutes without a request after which a login to the console ends. Pages that refresh themselves do not count."""
    metrics_token: SecretStr | None = None
    """Bearer token that Prometheus sends for `/metrics`. When it is unset, the page does not exist."""
    flower_port: Port = 5555
    """Port of Flower."""
    flower_user: Name | None = None
    """Name of Flower's login. The login is optional only if `payments up` starts PostgreSQL or Redis and
    `PAYMENTS_BIND_ADDRESS` is a loopback address."""
    flower_password: SecretStr | None = None
    """Password of Flower's login. Set both the name and the password, or neither."""

    default_timezone: Annotated[str, AfterValidator(check_timezone)] = DEFAULT_TIMEZONE
    """Time zone of new companies, an IANA name. Choose another with `payments company set COMPANY --timezone`."""

    unknown_companies: Literal["create", "refuse"] = "create"
    """With `create`, the first event of an unknown company or clinic adds it, with its integration off. With `refuse`,
    the event is Not Sent (`unknown_company`, `unknown_clinic`) until an administrator adds it."""

    keep_events_months: Annotated[int, Field(ge=2, le=1200)] | None = None
    """Retention of event ids, in full months before the current one. `workers.migrate` drops older months. When it is
    unset, nothing is dropped."""
    keep_history_months: Annotated[int, Field(ge=12, le=1200)] | None = None
    """Retention of the payments' timelines, in full months before the current one. When it is unset, nothing is
    dropped."""
    keep_audit_months: Annotated[int, Field(ge=12, le=1200)] | None = None
    """Retention of the audit history, in full months before the current one. When it is unset, nothing is dropped."""

    traces_url: Annotated[str, Field(pattern=r"^https?://[^\s/]+")] | None = None
    """OpenTelemetry collector that takes OTLP over HTTP, for example `http://collector:4318`. When it is unset,
    nothing is traced. It needs the extra `traces`."""
    log_format: LogFormat | None = None
    """Format of the log. When it is unset, it is `columns` at a terminal and `json` elsewhere."""
    log_level: LogLevel = "info"
    """Lowest level that is logged."""

    _service_links: tuple[str, ...] = PrivateAttr(())

    def model_post_init(self, context: object) -> None:
        """Store the names of the ignored service links.

        `read_settings` passes these names as the validation context.
        """
        if isinstance(context, dict):
            self._service_links = context["service_links"]

    @property
    def service_links(self) -> tuple[str, ...]:
        """The names of the variables that are ignored because they are service links of Kubernetes."""
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

    def local_url(self, port: int) -> str:
        """Return the URL by which programs on this machine reach the console or Flower at `port`."""
        return f"http://{local_host(self.bind_address)}:{port}"

    @property
    def console_address(self) -> str:
        """The address of the console in a browser."""
        return self.console_url or self.local_url(self.console_port)

    @property
    def flower_address(self) -> str:
        """The address of Flower in a browser."""
        return self.flower_url or self.local_url(self.flower_port)


VARIABLES: tuple[str, ...] = tuple(variable(field) for field in Settings.model_fields)
SECRETS = (*UNPREFIXED_FIELDS, "PAYMENTS_METRICS_TOKEN", "PAYMENTS_FLOWER_PASSWORD")
_FILE_SUFFIX = "_FILE"
"""Suffix of the variable that names a file with the value of a secret setting."""


def read_settings(environ: Mapping[str, str]) -> Settings:
    """Read the settings from an environment. An empty variable counts as unset, because Compose files set empty ones.

    Variables that Kubernetes adds for its services are ignored. Raises SettingsError if a setting is misspelt or
    invalid.
    """
    links = sorted(
        name for name, value in environ.items() if name.startswith(VARIABLE_PREFIX) and is_service_link(name, value)
    )
    environ = {name: value for name, value in environ.items() if name not in links}
    _reject_misspelt(environ)
    given = _read_secret_files(environ) | {
        name: environ[name].strip() for name in VARIABLES if environ.get(name, "").strip()
    }
    try:
        return Settings.model_validate(given, context={"service_links": tuple(links)})
    except ValidationError as error:
        raise SettingsError(_error_text(error)) from None


def _read_secret_files(environ: Mapping[str, str]) -> dict[str, str]:
    values = {}
    for name in SECRETS:
        if path := environ.get(name + _FILE_SUFFIX, "").strip():
            try:
                values[name] = Path(path).read_text("utf-8").strip()
            except (OSError, UnicodeDecodeError) as error:
                reason = getattr(error, "strerror", None) or "it is not in UTF-8"
                raise SettingsError(f"{name}{_FILE_SUFFIX}: {path}: {reason}") from None
    return {name: text for name, text in values.items() if text}


def _reject_misspelt(environ: Mapping[str, str]) -> None:
    for name in sorted(environ):
        if name in VARIABLES or name.removesuffix(_FILE_SUFFIX) in SECRETS:
            continue
        if name.startswith(VARIABLE_PREFIX):
            raise SettingsError(f"{name}: there is no such setting{suggestion(name, VARIABLES, 0.6)}")
        # A misspelt URL would start an embedded engine instead of using the intended one.
        unset = tuple(real for real in UNPREFIXED_FIELDS if not environ.get(real))
        if hint := suggestion(name, unset, 0.88):
            raise SettingsError(f"{name}: there is no such setting{hint}")


def _error_text(error: ValidationError) -> str:
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
