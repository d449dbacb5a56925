"""Kubernetes adds environment variables for the services of a namespace. The settings ignore these variables."""

import io
import json

import pytest

from config.logging import configure_logging
from config.settings import SettingsError, read_settings


def service_link_variables(service, address="10.0.0.1", port=8000, protocol="tcp"):
    """Return the variables that Kubernetes adds for a service, as its documentation lists them."""
    name, kind = service.upper().replace("-", "_"), protocol.upper()
    url = f"{protocol}://{address}:{port}"
    return {
        f"{name}_SERVICE_HOST": address,
        f"{name}_SERVICE_PORT": str(port),
        f"{name}_SERVICE_PORT_HTTP": str(port),
        f"{name}_PORT": url,
        f"{name}_PORT_{port}_{kind}": url,
        f"{name}_PORT_{port}_{kind}_PROTO": protocol,
        f"{name}_PORT_{port}_{kind}_PORT": str(port),
        f"{name}_PORT_{port}_{kind}_ADDR": address,
    }


@pytest.mark.parametrize(
    "service",
    ["payments", "payments-console", "payments-flower", "payments-home", "payments-streams", "redis"],
)
@pytest.mark.parametrize(("address", "protocol"), [("10.0.0.1", "tcp"), ("fd00::1", "udp"), ("10.0.0.1", "sctp")])
def test_service_links_are_ignored(service, address, protocol):
    settings = read_settings(service_link_variables(service, address, protocol=protocol) | {"REDIS_URL": "redis://h/0"})

    ours = {
        name for name in service_link_variables(service, address, protocol=protocol) if name.startswith("PAYMENTS_")
    }
    assert set(settings.service_links) == ours
    assert (settings.console_port, settings.flower_port, settings.redis_url) == (8000, 5555, "redis://h/0")


def test_setting_is_read_although_service_links_exist():
    environ = service_link_variables("payments-console") | {"PAYMENTS_CONSOLE_PORT": "8001"}

    settings = read_settings(environ)

    assert settings.console_port == 8001
    assert "PAYMENTS_CONSOLE_PORT" not in settings.service_links


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PAYMENTS_CONSOLE_PROT", "tcp://10.0.0.1:8000"),
        ("PAYMENTS_CONSOL_PORT", "8000"),
        ("PAYMENTS_CONSOLE_PORT", "tcp://console:8000"),
        ("PAYMENTS_CONSOLE_SERVICE_HOST", "console"),
        ("PAYMENTS_CONSOLE_SERVICE_PORT", "http"),
        ("PAYMENTS_CONSOLE_PORT_8000_TCP_PROTO", "8000"),
        ("PAYMENTS_REDIS_URL", "tcp://10.0.0.1:6379"),
    ],
)
def test_misspelt_setting_is_refused_and_not_ignored_as_a_service_link(name, value):
    with pytest.raises(SettingsError, match=f"^{name}: "):
        read_settings({name: value})


def test_ignored_service_links_are_logged_once_with_the_remedy():
    settings, stream = (
        read_settings({**service_link_variables("payments-console"), "PAYMENTS_LOG_FORMAT": "json"}),
        io.StringIO(),
    )

    configure_logging(settings, "intake", stream)

    (event,) = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert (event["event"], event["level"]) == ("service_links_ignored", "warning")
    assert "PAYMENTS_CONSOLE_PORT, PAYMENTS_CONSOLE_PORT_8000_TCP, " in event["variables"]
    assert "enableServiceLinks: false" in event["hint"]
