"""The Kubernetes manifests run the services of docker-compose.yml with fewer rights. All referenced objects exist."""

import shutil
import subprocess

import pytest
import yaml

from config.celery import HARD_LIMIT_SECONDS, SOFT_SHUTDOWN_SECONDS, VISIBILITY_SECONDS
from config.settings import read_settings
from tests.ops.composed import VARIABLE_REFERENCE_PATTERN, own_services, services
from tests.ops.manifests import (
    BASE_FOLDER,
    EXAMPLE_FOLDER,
    config_maps,
    containers,
    environment,
    kustomization,
    manifests,
    pod_specifications,
    secrets,
)
from workers import probe

OWN_SERVICES = own_services()
DEPLOYMENTS = manifests("Deployment")
POD_BY_NAME = dict(pod_specifications())
RESTRICTED_CONTEXT = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}
# The gateway of Compose is in the network of console and Flower; in Kubernetes the proxy is elsewhere.
ADDED_SETTINGS = {
    "console": {"PAYMENTS_BIND_ADDRESS", "PAYMENTS_TRUSTED_PROXIES"},
    "flower": {"PAYMENTS_BIND_ADDRESS"},
}
# Kubernetes mounts the keys as a folder, and the URL of Flower's unused database names no host of Compose.
SETTINGS_WITH_OTHER_VALUES = {"PAYMENTS_SIGNING_KEYS", "DATABASE_URL"}


def container_of(name):
    return containers(POD_BY_NAME[name])[0]


def test_manifests_have_the_services_of_compose():
    assert {*DEPLOYMENTS, "migrate"} == set(OWN_SERVICES)
    assert set(POD_BY_NAME) == {*OWN_SERVICES, "retention"}


@pytest.mark.parametrize("name", OWN_SERVICES)
def test_manifest_runs_the_image_and_command_of_compose(name):
    assert container_of(name)["args"] == OWN_SERVICES[name]["command"]
    assert "command" not in container_of(name)
    assert container_of(name)["image"] == OWN_SERVICES[name]["image"]


@pytest.mark.parametrize("name", OWN_SERVICES)
def test_manifest_passes_the_settings_of_compose_with_the_same_defaults(name):
    passed, wanted = environment(container_of(name)), OWN_SERVICES[name]["environment"]
    defaults = {
        key: VARIABLE_REFERENCE_PATTERN.sub(lambda found: found[3], str(value)) for key, value in wanted.items()
    }

    assert set(passed) == set(wanted) | ADDED_SETTINGS.get(name, set())
    given = config_maps()
    from_maps = {
        key: value
        for source in container_of(name)["envFrom"]
        for key, value in given.get(source.get("configMapRef", {}).get("name"), {}).items()
    }
    compared = from_maps.keys() & wanted.keys() - SETTINGS_WITH_OTHER_VALUES
    assert {key: from_maps[key] for key in compared} == {key: defaults[key] for key in compared}
    # Passwords are in Secrets only.
    assert [key for key in from_maps if "PASSWORD" in key or "TOKEN" in key] == []


@pytest.mark.parametrize("name", OWN_SERVICES)
def test_example_has_valid_settings(name):
    variables = {key: value for key, value in environment(container_of(name)).items() if key != "PGOPTIONS"}

    read_settings(variables)


def test_migration_grants_rights_as_in_compose():
    grants = POD_BY_NAME["migrate"]["spec"]["containers"][0]
    of_compose = services()["grants"]

    assert grants["image"] == of_compose["image"]
    assert grants["command"] == [
        *(each.replace("/grants.sql", "/grants/grants.sql") for each in of_compose["command"]),
        "$(DATABASE_URL)",
    ]
    assert containers(POD_BY_NAME["migrate"])[0] == containers(POD_BY_NAME["retention"])[0]


@pytest.mark.parametrize("name", probe.SERVICES)
def test_worker_is_probed_by_its_own_heartbeat(name):
    container = container_of(name)
    command = OWN_SERVICES[name]["healthcheck"]["test"][1:]

    assert [container[kind]["exec"]["command"] for kind in ("startupProbe", "livenessProbe", "readinessProbe")] == [
        command,
        command,
        [*command, "--ready"],
    ]
    assert {"name": "run", "mountPath": "/var/lib/payments/run"} in container["volumeMounts"]


@pytest.mark.parametrize(
    ("name", "live", "ready"), [("console", "/alive", "/health"), ("flower", *["/healthcheck"] * 2)]
)
def test_web_service_is_probed_by_http(name, live, ready):
    container = container_of(name)
    paths = [container[kind]["httpGet"]["path"] for kind in ("startupProbe", "livenessProbe", "readinessProbe")]

    assert paths == [live, live, ready]
    assert f"{container['ports'][0]['containerPort']}{live}" in str(OWN_SERVICES[name]["healthcheck"]["test"])
    assert str(container["ports"][0]["containerPort"]) == environment(container)[f"PAYMENTS_{name.upper()}_PORT"]


@pytest.mark.parametrize("name", POD_BY_NAME)
def test_pod_runs_unprivileged_without_api_token(name):
    pod = POD_BY_NAME[name]["spec"]

    assert (pod["automountServiceAccountToken"], pod["enableServiceLinks"]) == (False, False)
    assert pod["securityContext"] == {
        "runAsNonRoot": True,
        "runAsUser": 10001,
        "runAsGroup": 10001,
        "fsGroup": 10001,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    for container in containers(POD_BY_NAME[name]):
        assert container["securityContext"] == RESTRICTED_CONTEXT
        assert {"cpu", "memory"} == set(container["resources"]["requests"])
        assert "memory" in container["resources"]["limits"]


@pytest.mark.parametrize("name", POD_BY_NAME)
def test_pod_has_time_to_stop(name):
    seconds = POD_BY_NAME[name]["spec"]["terminationGracePeriodSeconds"]

    assert f"{seconds}s" == OWN_SERVICES.get(name, OWN_SERVICES["migrate"])["stop_grace_period"]
    # A busy worker waits for its tasks, then for each of the two connections of a silent broker.
    assert seconds > SOFT_SHUTDOWN_SECONDS + 2 * 15
    # No message is delivered again while a stopping worker may still run its task.
    assert HARD_LIMIT_SECONDS + seconds < VISIBILITY_SECONDS


def test_rollout_replaces_no_pod_before_its_successor_is_ready():
    strategies = {name: each["spec"]["strategy"] for name, each in DEPLOYMENTS.items()}
    replicas = {name: each["spec"]["replicas"] for name, each in DEPLOYMENTS.items()}

    assert strategies.pop("scheduler") == {"type": "Recreate"}
    assert replicas["scheduler"] == 1
    assert [each["rollingUpdate"] for each in strategies.values()] == [{"maxUnavailable": 0, "maxSurge": 1}] * 6
    assert {name for name, count in replicas.items() if count > 1} == set(manifests("PodDisruptionBudget"))


def test_network_policies_deny_by_default_and_allow_what_each_service_needs():
    policies = {name: each["spec"] for name, each in manifests("NetworkPolicy").items()}

    assert policies["deny-all"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    assert set(policies) == {
        *("deny-all", "allow-names", "allow-database", "allow-redis", "allow-https-proxy", "allow-prometheus")
    }

    def users_of(engine):
        wanted = policies[f"allow-{engine}"]["podSelector"]["matchLabels"]
        return {name for name, pod in POD_BY_NAME.items() if wanted.items() <= pod["metadata"]["labels"].items()}

    assert users_of("database") == set(POD_BY_NAME) - {"flower"}
    assert users_of("redis") == set(DEPLOYMENTS)


def test_kustomization_lists_every_file():
    listed = kustomization(BASE_FOLDER)
    files = {path.name for path in BASE_FOLDER.glob("*.yaml")} - {"kustomization.yaml"}

    assert {each for each in listed["resources"] if each.endswith(".yaml")} == files
    assert [each for each in listed["resources"] if not (BASE_FOLDER / each).exists()] == []
    settings = {path.relative_to(BASE_FOLDER).as_posix() for path in (BASE_FOLDER / "settings").iterdir()}
    assert {file for each in listed["configMapGenerator"] for file in each["envs"]} == settings


def test_every_referenced_config_map_and_secret_is_generated():
    generated = {*config_maps(), *secrets(), "payments-grants"}
    referenced = set()
    for pod in POD_BY_NAME.values():
        for volume in pod["spec"]["volumes"]:
            referenced |= {volume.get("configMap", {}).get("name"), volume.get("secret", {}).get("secretName")}
        for container in containers(pod):
            referenced |= {found["name"] for source in container.get("envFrom", ()) for found in source.values()}
            referenced |= {each["valueFrom"]["secretKeyRef"]["name"] for each in container.get("env", ())}

    assert referenced - {None} == generated


def test_example_contains_no_secret():
    values = {value for variables in secrets().values() for value in variables.values()}

    assert {value for value in values if "replace-me" not in value} == {"operator"}


def test_kustomize_renders_the_example():
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        pytest.skip("kubectl is not installed")

    done = subprocess.run([kubectl, "kustomize", str(EXAMPLE_FOLDER)], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    rendered = list(yaml.safe_load_all(done.stdout))
    deployments = {each["metadata"]["name"]: each["spec"] for each in rendered if each["kind"] == "Deployment"}
    assert set(deployments) == set(DEPLOYMENTS)
    assert deployments["importer"]["replicas"] == 3
    assert {each["metadata"]["namespace"] for each in rendered if each["kind"] != "Namespace"} == {"payments"}
    names = {each["metadata"]["name"] for each in rendered}
    sources = [
        found["name"]
        for spec in deployments.values()
        for source in spec["template"]["spec"]["containers"][0]["envFrom"]
        for found in source.values()
    ]
    # Kustomize appends a hash of the contents, so a changed setting replaces the pods.
    assert set(sources) <= names
    assert not set(sources) & {*config_maps(), *secrets()}
