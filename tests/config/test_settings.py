"""Settings: defaults, validation messages, secrets in files, derived URLs."""

from datetime import timedelta
from pathlib import Path

import pytest

from config.settings import VARIABLES, SettingsError, read_settings


def test_empty_environment_means_embedded_engines_and_documented_defaults():
    settings = read_settings({})

    assert settings.is_embedded
    assert (settings.console_port, settings.flower_port) == (8000, 5555)
    assert settings.home == Path(__file__).parents[2] / ".payments"
    assert [step.total_seconds() for step in settings.retry_ladder] == [5, 30, 120, 600, 1800, 7200, 18000, 36000]
    assert (settings.patient_recheck, settings.patient_wait_max) == (timedelta(minutes=15), timedelta(hours=24))
    assert (settings.chunk_events, settings.pending_max, settings.importer_processes) == (500, 5000, 1)


def test_empty_variable_counts_as_unset():
    assert read_settings({"REDIS_URL": "", "PAYMENTS_CONSOLE_PORT": " "}) == read_settings({})


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        ({"PAYMENTS_HOEM": "x"}, "PAYMENTS_HOEM: there is no such setting; did you mean PAYMENTS_HOME?"),
        ({"PAYMENTS_XYZZY": "x"}, "PAYMENTS_XYZZY: there is no such setting"),
        ({"DATABSE_URL": "x"}, "DATABSE_URL: there is no such setting; did you mean DATABASE_URL?"),
        ({"REDIS_URI": "x"}, "REDIS_URI: there is no such setting; did you mean REDIS_URL?"),
        ({"PAYMENTS_CONSOLE_PORT": "http"}, "PAYMENTS_CONSOLE_PORT: expected a whole number, not 'http'"),
        ({"PAYMENTS_FLOWER_PORT": "70000"}, "PAYMENTS_FLOWER_PORT: expected less than or equal to 65535, not '70000'"),
        ({"PAYMENTS_LOG_FORMAT": "xml"}, "PAYMENTS_LOG_FORMAT: expected 'json' or 'columns', not 'xml'"),
        ({"PAYMENTS_BIND_ADDRESS": "console.example"}, "PAYMENTS_BIND_ADDRESS: expected an IP address such as"),
        ({"PAYMENTS_TRUSTED_PROXIES": "10.1.0.0/99"}, "PAYMENTS_TRUSTED_PROXIES: expected IP addresses or networks"),
        ({"PAYMENTS_TRUSTED_PROXIES": "*"}, "PAYMENTS_TRUSTED_PROXIES: expected IP addresses or networks"),
        ({"PAYMENTS_RETRY_LADDER": "5s,soon"}, "PAYMENTS_RETRY_LADDER: step 2: expected a duration such as"),
        ({"PAYMENTS_RETRY_LADDER": "5s,0s"}, "PAYMENTS_RETRY_LADDER: step 2: expected a duration such as"),
        ({"PAYMENTS_PATIENT_RECHECK": "1.5h"}, "PAYMENTS_PATIENT_RECHECK: expected a duration such as"),
        ({"PAYMENTS_CHUNK_EVENTS": "900", "PAYMENTS_PENDING_MAX": "800"}, "PAYMENTS_CHUNK_EVENTS: expected no more"),
        ({"PAYMENTS_DEFAULT_TIMEZONE": "Mars/Olympus"}, "PAYMENTS_DEFAULT_TIMEZONE: expected an IANA name"),
        ({"PAYMENTS_DEFAULT_TIMEZONE": "localtime"}, "PAYMENTS_DEFAULT_TIMEZONE: expected an IANA name"),
        ({"PAYMENTS_FLOWER_USER": "ann"}, "PAYMENTS_FLOWER_USER and PAYMENTS_FLOWER_PASSWORD: set both or neither"),
        ({"DATABASE_URL": "mysql://u:secret@h/d"}, "DATABASE_URL: expected a URL that starts with postgresql://"),
        ({"REDIS_URL": "localhost:6379"}, "REDIS_URL: expected a URL that starts with redis://"),
        ({"REDIS_URL": "redis://h/feed"}, "REDIS_URL: expected a database number at the end"),
        ({"REDIS_URL": "redis://h/0?socket_timeout=0.5"}, "REDIS_URL: socket_timeout: expected more than 1 second"),
        ({"REDIS_URL": "redis://h/0?socket_timeout=soon"}, "REDIS_URL: socket_timeout: expected more than 1 second"),
        ({"CELERY_BROKER_URL": "redis://h/1?protocol=3"}, "CELERY_BROKER_URL: protocol: remove it from the URL"),
        ({"PAYMENTS_FLOWER_URL": "flower.example"}, "PAYMENTS_FLOWER_URL: expected an address such as https://"),
        ({"PAYMENTS_CONSOLE_URL": "https://u:secret@h"}, "PAYMENTS_CONSOLE_URL: expected an address such as https://"),
    ],
)
def test_misspelt_or_invalid_setting_is_rejected_by_name(environ, message):
    with pytest.raises(SettingsError) as error:
        read_settings(environ)

    assert str(error.value).startswith(message)
    assert "\n" not in str(error.value)
    assert "secret" not in str(error.value)


def test_secret_may_be_in_a_file_and_the_plain_variable_takes_precedence(tmp_path):
    (tmp_path / "url").write_text("redis://ann:hunter2@h:6379/0\n")
    (tmp_path / "token").write_text("hunter2")
    (tmp_path / "empty").write_text("\n")
    files = {"REDIS_URL_FILE": "url", "PAYMENTS_METRICS_TOKEN_FILE": "token", "DATABASE_URL_FILE": "empty"}
    environ = {name: str(tmp_path / file) for name, file in files.items()}

    settings = read_settings(environ)

    assert (settings.redis_url, settings.database_url) == ("redis://ann:hunter2@h:6379/0", None)
    assert settings.metrics_token.get_secret_value() == "hunter2"
    assert read_settings(environ | {"REDIS_URL": "redis://plain"}).redis_url == "redis://plain"
    with pytest.raises(SettingsError, match=r"^REDIS_URL_FILE: /nowhere: No such file"):
        read_settings({"REDIS_URL_FILE": "/nowhere"})
    with pytest.raises(SettingsError, match="there is no such setting"):
        read_settings({"PAYMENTS_STREAM_FILE": str(tmp_path / "url")})


def test_variable_named_like_a_url_setting_is_ignored_if_that_setting_is_set():
    assert read_settings({"REDIS_URL": "redis://h", "REDIS_URI": "redis://other"}).redis_url == "redis://h"


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_every_form_of_a_database_url_uses_the_installed_driver(scheme):
    settings = read_settings({"DATABASE_URL": f"{scheme}://u:p@h/d"})

    assert settings.database_url == "postgresql+psycopg://u:p@h/d"


def test_repr_contains_no_password():
    settings = read_settings(
        {
            "DATABASE_URL": "postgresql://u:secret@h/d",
            "REDIS_URL": "redis://:secret@h/0",
            "CELERY_BROKER_URL": "redis://:secret@h/1",
            "PAYMENTS_FLOWER_USER": "ann",
            "PAYMENTS_FLOWER_PASSWORD": "secret",
        }
    )

    assert "secret" not in repr(settings)


def test_addresses_default_to_the_local_ports_and_may_name_a_proxy():
    here, proxied = read_settings({}), read_settings({"PAYMENTS_FLOWER_URL": "https://flower.example.org/"})

    assert (here.console_address, here.flower_address) == ("http://127.0.0.1:8000", "http://127.0.0.1:5555")
    assert proxied.flower_address == "https://flower.example.org"


def test_every_field_of_the_settings_has_an_environment_variable():
    assert {"DATABASE_URL", "REDIS_URL", "CELERY_BROKER_URL", "PAYMENTS_HOME", "PAYMENTS_STREAM"} <= set(VARIABLES)


@pytest.mark.parametrize(
    ("address", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:8000"),
        ("0.0.0.0", "http://127.0.0.1:8000"),  # noqa: S104 (what a container listens on)
        ("::", "http://[::1]:8000"),
        ("10.1.2.3", "http://10.1.2.3:8000"),
        ("FD00::1", "http://[fd00::1]:8000"),
    ],
)
def test_local_url_reaches_a_server_on_the_bind_address(address, url):
    settings = read_settings({"PAYMENTS_BIND_ADDRESS": address, "PAYMENTS_TRUSTED_PROXIES": "10.1.0.0/16, fd00::1"})

    assert settings.console_address == url
    assert settings.trusted_proxies == ("10.1.0.0/16", "fd00::1/128")
