"""Read services, variables and inline configs from docker-compose.yml."""

import re
from pathlib import Path
from typing import Any

import yaml
from redis.backoff import NoBackoff
from redis.retry import Retry

ROOT = Path(__file__).resolve().parents[2]
VARIABLE_REFERENCE_PATTERN = re.compile(r"\$\{(\w+)(?::([-?])([^}]*))?\}")

# Passwords of the Redis users in these tests.
PASSWORD_VARIABLES = {
    "EMR_REDIS_PASSWORD": "emr-secret",
    "BILLING_REDIS_PASSWORD": "billing-secret",
    "FLOWER_REDIS_PASSWORD": "flower-secret",
}
PROBE_USER: dict[str, Any] = {"username": "probe", "password": "any", "retry": Retry(NoBackoff(), 0)}

Service = dict[str, Any]


def compose() -> dict[str, Any]:
    """Return the parsed docker-compose.yml."""
    read: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    return read


def services() -> dict[str, Service]:
    """Return the services by name."""
    found: dict[str, Service] = compose()["services"]
    return found


def own_services() -> dict[str, Service]:
    """Return the services that run the product's image."""
    return {name: service for name, service in services().items() if "build" in service}


def variables() -> dict[str, tuple[str, str]]:
    """Return the operator and its argument for each variable in docker-compose.yml.

    The operator is `?` (required) or `-` (default).
    """
    # Skip comments.
    text = re.sub(r"^ *#.*$", "", (ROOT / "docker-compose.yml").read_text(), flags=re.MULTILINE)
    return {name: (operator, default) for name, operator, default in VARIABLE_REFERENCE_PATTERN.findall(text)}


def config_text(config: str, **values: str) -> str:
    """Return the text of an inline config, with its variables replaced by `values` or by their defaults."""
    text: str = compose()["configs"][config]["content"]
    return VARIABLE_REFERENCE_PATTERN.sub(lambda found: values.get(found[1]) or found[3], text)
