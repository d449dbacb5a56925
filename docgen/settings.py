"""The reference page of the settings, from the fields of `config.settings.Settings` and their docstrings."""

from datetime import timedelta
from typing import Any

from config.settings import SECRETS, VARIABLES, Settings
from docgen.durations import format_duration
from docgen.markdown import code, heading, table
from docgen.schemas import describe_type

_INTRODUCTION = """
All settings come from the environment. A misspelt or invalid setting stops the process, and the error names it. An
empty variable counts as unset. Durations are written `30s`, `15m`, `2h` or `1d`.

Variables that may hold a password can be read from a file: add `_FILE` to the name and set it to the path of the file.
They are {secrets}.

## URLs of PostgreSQL and Redis

`DATABASE_URL`, `REDIS_URL` and `CELERY_BROKER_URL` are read strictly, because the programs that use them disagree
about characters that are not percent-encoded. In a user name or password, write `#` as `%23`, `/` as `%2F`, `?` as
`%3F`, `%` as `%25`, `@` as `%40` and a space as `%20`. For any password:

    python3 -c 'import getpass, urllib.parse as u; print(u.quote(getpass.getpass(), safe=""))'

- `DATABASE_URL` takes the options of libpq, for example `sslmode`, `sslrootcert`, `connect_timeout` and `options`,
  and no others. The tables are in the schema `public`. Several hosts are written
  `postgresql://billing@db1:5432,db2:5432/payments`. Each new connection takes the first host that accepts writes
  (`target_session_attrs=read-write`, which the URL may change), so it finds the primary after a failover. Behind
  PgBouncer in transaction mode add `pgbouncer=true`.
- `REDIS_URL` and `CELERY_BROKER_URL` begin with `redis://`, `rediss://` (TLS) or `unix:///`. They take `db`,
  `socket_timeout` (more than 1), `socket_connect_timeout`, `health_check_interval` and `client_name`. With
  `rediss://` they also take `ssl_cert_reqs`, `ssl_check_hostname`, `ssl_ca_certs`, `ssl_ca_path`, `ssl_ca_data`,
  `ssl_certfile`, `ssl_keyfile` and `ssl_password`.
- `redis+sentinel://` and `rediss+sentinel://` name Redis Sentinels instead of a server:
  `redis+sentinel://billing:PASSWORD@sentinel1:26379,sentinel2:26379/SERVICE/0`. They take the same options without
  `db`, and `sentinel_user` and `sentinel_password`
  ([Run Redis with Sentinel](../how-to/run-redis-with-sentinel.md)).
- IPv6 addresses stand in brackets: `redis://[fd00::1]:6379/0`.

No error, log or page shows a password. A service exits with status 78 if a setting is invalid, or if an engine
refuses its URL at the start (password, database, encoding, rights); `payments up` and an invalid setting of any
`payments` command give 2. If an engine does not answer, services wait for it; `workers.migrate` and `payments`
commands exit with 1.

## Variables of other programs

- Kubernetes adds variables for each service of a namespace (`PAYMENTS_CONSOLE_PORT=tcp://10.0.0.1:8000` for a service
  called `payments-console`). They are ignored with a warning. To switch them off, set `enableServiceLinks: false` in
  the pod's specification.
- Variables from which Celery and Flower would take options (`CELERY_...`, `FLOWER_...`, `BROKER_URL`) have no effect.
  The only exceptions are `CELERY_BROKER_URL` and `FLOWER_UNAUTHENTICATED_API=true`, which allows Flower without a
  login.

## All settings

"""


def render_page() -> str:
    """Return the page of the settings."""
    schemas = Settings.model_json_schema()["properties"]
    rows = [
        (code(name), _default_text(name), f"{field.description}{_limits(schemas[name])}")
        for name, field in zip(VARIABLES, Settings.model_fields.values(), strict=True)
    ]
    secrets = ", ".join(code(name) for name in SECRETS)
    title = heading("Settings", "config/settings.py")
    return title + _INTRODUCTION.format(secrets=secrets) + table(("Variable", "Default", "Meaning"), rows)


def _limits(schema: dict[str, Any]) -> str:
    """Return the limits or the possible values of a setting, in parentheses. Without limits, return an empty text."""
    form = next((form for form in schema.get("anyOf", ()) if form != {"type": "null"}), schema)
    return f" ({describe_type(form)})" if {"enum", "minimum"} & form.keys() else ""


def _default_text(name: str) -> str:
    if name == "PAYMENTS_HOME":
        return "`.payments/` in the checkout"
    field = list(Settings.model_fields.values())[VARIABLES.index(name)]
    match field.default:
        case None | ():
            return "unset"
        case bool(value):
            return code(str(value).lower())
        case timedelta() as duration:
            return code(format_duration(duration))
        case tuple(values):
            return code(",".join(each if isinstance(each, str) else format_duration(each) for each in values))
        case value:
            return code(value)
