"""Read the Kubernetes manifests of docs/ops/kubernetes, without kustomize."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from tests.ops.composed import ROOT

BASE_FOLDER = ROOT / "docs/ops/kubernetes/base"
EXAMPLE_FOLDER = ROOT / "docs/ops/kubernetes/overlays/example"
Manifest = dict[str, Any]


def kustomization(folder: Path) -> Manifest:
    """Return the parsed kustomization.yaml of a folder."""
    read: Manifest = yaml.safe_load((folder / "kustomization.yaml").read_text())
    return read


def manifests(kind: str = "") -> dict[str, Manifest]:
    """Return the manifests of the base by name. If `kind` is given, only manifests of this kind are returned."""
    texts = [path.read_text() for path in sorted(BASE_FOLDER.glob("*.yaml")) if path.name != "kustomization.yaml"]
    found = [each for text in texts for each in yaml.safe_load_all(text)]
    return {each["metadata"]["name"]: each for each in found if not kind or each["kind"] == kind}


def pod_specifications() -> Iterator[tuple[str, Manifest]]:
    """Yield (name, pod template) of every Deployment, Job and CronJob of the base."""
    for kind in ("Deployment", "Job", "CronJob"):
        for name, manifest in manifests(kind).items():
            spec = manifest["spec"]["jobTemplate"]["spec"] if kind == "CronJob" else manifest["spec"]
            yield name, spec["template"]


def containers(pod: Manifest) -> list[Manifest]:
    """Return the init containers and the containers of a pod template."""
    spec = pod["spec"]
    return [*spec.get("initContainers", ()), *spec["containers"]]


def env_file(path: Path) -> dict[str, str]:
    """Return the variables in an env file, as kustomize reads them."""
    lines = [line for line in path.read_text().splitlines() if line and not line.startswith("#")]
    return {name: value for name, _, value in (line.partition("=") for line in lines)}


def config_maps() -> dict[str, dict[str, str]]:
    """Return the variables of each ConfigMap that the base generates, by its name."""
    generated = kustomization(BASE_FOLDER)["configMapGenerator"]
    return {
        each["name"]: {k: v for file in each["envs"] for k, v in env_file(BASE_FOLDER / file).items()}
        for each in generated
    }


def secrets() -> dict[str, dict[str, str]]:
    """Return the variables of each Secret that the example generates from a file of variables, by its name."""
    generated = kustomization(EXAMPLE_FOLDER)["secretGenerator"]
    return {
        each["name"]: {k: v for file in each.get("envs", ()) for k, v in env_file(EXAMPLE_FOLDER / file).items()}
        for each in generated
    }


def environment(container: Manifest) -> dict[str, str]:
    """Return the variables of a container, with the values of the base and the Secrets of the example."""
    found: dict[str, str] = {}
    for source in container.get("envFrom", ()):
        found |= config_maps()[source["configMapRef"]["name"]] if "configMapRef" in source else {}
        found |= secrets()[source["secretRef"]["name"]] if "secretRef" in source else {}
    for variable in container.get("env", ()):
        reference = variable["valueFrom"]["secretKeyRef"]
        found[variable["name"]] = secrets()[reference["name"]][reference["key"]]
    return found
