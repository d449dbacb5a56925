"""The services run as in Kubernetes: as process 1 of user 10001, with a read-only root and without capabilities.

The tests use mount and process namespaces instead of containers. Each service starts, passes the probes of its
manifest, and ends in time after SIGTERM.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from config.engines import Engines
from tests.acceptance.stack import clean_environment
from tests.engines import scratch_database
from tests.faults.processes import children_of, wait_for
from tests.ops.manifests import containers, manifests, pod_specifications
from workers.runtime.ports import free_port

pytestmark = pytest.mark.acceptance

START_SECONDS = 60
POD_BY_NAME = {name: pod for name, pod in pod_specifications() if name in manifests("Deployment")}
# Mounts are seen by the service only. /mnt stands in for /var/lib/payments, because this folder exists everywhere.
CONTAINER_SCRIPT = """
mount -t proc proc /proc &&
mount -t tmpfs tmpfs /mnt && mkdir /mnt/run && mount -o remount,ro /mnt &&
mount -t tmpfs -o uid=10001,gid=10001,mode=0700 tmpfs /mnt/run &&
mount -o remount,bind,ro / &&
exec setpriv --reuid 10001 --regid 10001 --clear-groups --no-new-privs --inh-caps=-all --bounding-set=-all "$@"
"""


# The programs that a service reads. Another user may not enter a folder above them, such as /root.
PROGRAM_FOLDERS = (Path(sys.base_prefix).resolve(), Path(__file__).resolve().parents[2])


def expose_programs():
    """Return shell commands that let every user reach PROGRAM_FOLDERS. They change this mount namespace only.

    An empty folder is mounted over each folder that other users may not enter. The programs are mounted inside it.
    """
    closed = {}
    for program in PROGRAM_FOLDERS:
        above = [folder for folder in reversed(program.parents) if not folder.stat().st_mode & 0o001]
        if above:
            closed.setdefault(above[0], []).append(program)
    commands = ["mount --make-rprivate /"]
    for folder, programs in closed.items():
        places = {f"/mnt/{number}": program for number, program in enumerate(programs)}
        commands.append("mount -t tmpfs tmpfs /mnt")
        commands += [f"mkdir {place} && mount --bind {program} {place}" for place, program in places.items()]
        commands.append(f"mount -t tmpfs -o mode=0755 tmpfs {folder}")
        commands += [f"mkdir -p {program} && mount --move {place} {program}" for place, program in places.items()]
        commands.append("umount /mnt")
    return " && ".join(commands)


@pytest.fixture(scope="module", autouse=True)
def namespaces():
    needed = ("unshare", "setpriv", "nsenter")
    if os.geteuid() or not all(map(shutil.which, needed)):
        pytest.skip("containers need root, unshare, nsenter and setpriv")
    if subprocess.run(["unshare", "--mount", "--pid", "--fork", "true"], check=False).returncode:
        pytest.skip("this machine allows no namespaces")


@pytest.fixture(scope="module")
def engines(postgres_url, ledger_template, redis_url):
    with scratch_database(postgres_url, ledger_template) as url, opened_socket(url):
        yield Engines.from_urls(url, redis_url)


@contextmanager
def opened_socket(url):
    """Let every user of this machine connect to an embedded PostgreSQL. By default only the server's owner can."""
    folder = parse_qs(urlsplit(url).query).get("host", [""])[0]
    socket = Path(folder, ".s.PGSQL.5432")
    paths = [socket, *socket.parents] if folder.startswith("/") else []
    before = {path: path.stat().st_mode for path in paths if not path.stat().st_mode & 0o001}
    for path, mode in before.items():
        path.chmod(mode | 0o007 if path == socket else mode | 0o001)
    yield
    for path, mode in before.items():
        path.chmod(mode)


class Container:
    """A service with its own mount and process namespaces."""

    def __init__(self, name, environment, log):
        self.name, self.manifest, self.environment = name, containers(POD_BY_NAME[name])[0], environment
        script = f"{expose_programs()} && {CONTAINER_SCRIPT.strip()}"
        command = ["unshare", "--mount", "--pid", "--fork", "sh", "-ec", script, "sh"]
        self.unshare = subprocess.Popen(
            [*command, sys.executable, "-m", *self.manifest["args"]], env=environment, stdout=log, stderr=log, cwd="/"
        )

    @property
    def pid(self):
        """The pid of the service outside its namespaces. Inside, the service is process 1."""
        return wait_for(lambda: children_of(self.unshare.pid), START_SECONDS, f"{self.name} has started")[0]

    def kill(self):
        """Kill the service and every process of its namespace."""
        for pid in children_of(self.unshare.pid):
            os.kill(pid, signal.SIGKILL)
        self.unshare.kill()
        self.unshare.wait()

    def passes(self, kind):
        """Run a probe of the manifest as the kubelet does, and return whether it succeeds."""
        probe = self.manifest[kind]
        if "httpGet" in probe:
            port = self.environment[f"PAYMENTS_{self.name.upper()}_PORT"]
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}{probe['httpGet']['path']}", timeout=5):
                    return True
            except OSError:
                return False
        python, *arguments = probe["exec"]["command"]
        assert python == "python"
        inside = [
            "nsenter",
            "--target",
            str(self.pid),
            "--mount",
            "--pid",
            "setpriv",
            "--reuid=10001",
            "--regid=10001",
            "--clear-groups",
        ]
        done = subprocess.run(
            [*inside, sys.executable, *arguments], env=self.environment, check=False, capture_output=True
        )
        return done.returncode == 0


@pytest.mark.parametrize("name", POD_BY_NAME)
def test_service_runs_on_a_read_only_root_and_stops_in_time(name, engines, tmp_path):
    environment = clean_environment() | {
        **engines.environment(),
        "PAYMENTS_HOME": "/mnt",
        "REMAP_SIGTERM": "SIGQUIT",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PAYMENTS_FLOWER_USER": "ann",
        "PAYMENTS_FLOWER_PASSWORD": "a",
        "PAYMENTS_CONSOLE_PORT": str(free_port()),
        "PAYMENTS_FLOWER_PORT": str(free_port()),
        "TMPDIR": "/mnt/run",
    }
    with (tmp_path / "log").open("wb") as log:
        container = Container(name, environment, log)
        try:
            for kind in ("startupProbe", "livenessProbe", "readinessProbe"):
                wait_for(lambda kind=kind: container.passes(kind), START_SECONDS, f"{kind}: {_tail(tmp_path / 'log')}")
            status = Path(f"/proc/{container.pid}/status").read_text()
            assert "NSpid:\t" + f"{container.pid}\t1\n" in status
            assert "\nUid:\t10001\t" in status
            assert "\nCapBnd:\t0000000000000000\n" in status
            assert not os.access(f"/proc/{container.pid}/root/usr", os.W_OK)

            os.kill(container.pid, signal.SIGTERM)
            stopping = time.monotonic()
            container.unshare.wait(POD_BY_NAME[name]["spec"]["terminationGracePeriodSeconds"])
            assert time.monotonic() - stopping < POD_BY_NAME[name]["spec"]["terminationGracePeriodSeconds"]
        finally:
            container.kill()
    assert container.unshare.returncode == 0, _tail(tmp_path / "log")


def _tail(log):
    return log.read_text()[-2_000:]
