"""docker-compose.yml as a container sees it: its files with their variables filled in."""

import re
from pathlib import Path
from typing import Any

import yaml
from redis.backoff import NoBackoff
from redis.retry import Retry

ROOT = Path(__file__).resolve().parents[2]
_VARIABLE = re.compile(r"\$\{(\w+)(?::([-?])([^}]*))?\}")

# Who may do what in Redis, as these tests log in.
PASSWORDS = {
    "EMR_REDIS_PASSWORD": "emr-secret",
    "BILLING_REDIS_PASSWORD": "billing-secret",
    "FLOWER_REDIS_PASSWORD": "flower-secret",
}
PROBE: dict[str, Any] = {"username": "probe", "password": "whatever", "retry": Retry(NoBackoff(), 0)}

Service = dict[str, Any]


def compose() -> dict[str, Any]:
    """Return the file, read."""
    read: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    return read


def services() -> dict[str, Service]:
    """Return the services by name."""
    found: dict[str, Service] = compose()["services"]
    return found


def ours() -> dict[str, Service]:
    """Return the services that run code of ours."""
    return {name: service for name, service in services().items() if "build" in service}


def variables() -> dict[str, tuple[str, str]]:
    """Return each variable that the file asks for, with how (`?` required, `-` with a default) and the rest of it."""
    # Lines of explanation ask for nothing.
    text = re.sub(r"^ *#.*$", "", (ROOT / "docker-compose.yml").read_text(), flags=re.MULTILINE)
    return {name: (how, rest) for name, how, rest in _VARIABLE.findall(text)}


def content(config: str, **given: str) -> str:
    """Return a file that the compose file holds, with these variables filled in."""
    text: str = compose()["configs"][config]["content"]
    return _VARIABLE.sub(lambda found: given.get(found[1]) or found[3], text)
