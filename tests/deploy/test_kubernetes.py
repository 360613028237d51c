"""The Kubernetes manifests: valid, and as docs/reference/operations.md §6 lists them."""

from pathlib import Path
from typing import Any

import kubernetes_validate  # type: ignore[import-untyped]
import pytest
import yaml  # type: ignore[import-untyped]

from tests.deploy.settings import unknown_variables

PLACE = Path(__file__).parents[2] / "deploy" / "kubernetes"
FILES = sorted(path.name for path in PLACE.glob("*.yaml"))
ROLES = {"gateway": 8080, "auth": 8081, "chat": 8082, "video": 8083, "storage": 8084}


def load(name: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((PLACE / name).read_text()))


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("version", ["1.31", kubernetes_validate.latest_version()])
def test_is_kubernetes(name: str, version: str) -> None:
    """Nothing that this version does not know. Objects are in the namespace, but the namespace itself."""
    for found in load(name):
        kubernetes_validate.validate(found, version, strict=True)
        assert found["kind"] == "Namespace" or found["metadata"]["namespace"] == "secureconnect"


@pytest.mark.parametrize("role", ROLES)
def test_each_role_is_watched_scaled_and_kept(role: str) -> None:
    kinds = {found["kind"]: found for found in load(f"{role}.yaml")}
    assert kinds.keys() == {"Deployment", "Service", "HorizontalPodAutoscaler", "PodDisruptionBudget"}
    template = kinds["Deployment"]["spec"]["template"]
    (container,) = template["spec"]["containers"]
    assert container["args"] == ["serve", role]
    assert container["ports"] == [{"name": "http", "containerPort": ROLES[role]}]
    assert container["livenessProbe"]["httpGet"] == {"path": "/livez", "port": "http"}
    assert container["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "http"}
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert template["spec"]["securityContext"]["runAsNonRoot"] is True
    assert template["spec"]["terminationGracePeriodSeconds"] > 35
    assert "cpu" in container["resources"]["requests"], "what the autoscaler measures against"

    scaler = kinds["HorizontalPodAutoscaler"]["spec"]
    assert (scaler["minReplicas"], scaler["maxReplicas"]) == (3, 10)
    (metric,) = scaler["metrics"]
    assert metric["resource"]["target"] == {"type": "Utilization", "averageUtilization": 70}
    labels = template["metadata"]["labels"]
    for kind in ("Service", "PodDisruptionBudget"):
        selector = kinds[kind]["spec"]["selector"]
        chosen = selector.get("matchLabels", selector)
        assert chosen.items() <= labels.items()
    assert kinds["Service"]["spec"]["ports"][0]["port"] == ROLES[role]


@pytest.mark.parametrize("name", FILES)
def test_secrets_are_referred_to(name: str) -> None:
    """No object holds one, settings that are secrets are paths, and all our settings exist."""
    for found in load(name):
        assert found["kind"] != "Secret"
        if found["kind"] == "ConfigMap":
            assert unknown_variables(found["data"]) == []
            assert not [key for key in found["data"] if "SECRET_KEY" in key or "PASSWORD" in key]
        pod = found.get("spec", {}).get("template", {}).get("spec", {})
        for container in pod.get("containers", []):
            given = {one["name"]: one["value"] for one in container["env"]}
            assert unknown_variables(given) == []
            assert all(path.startswith("/run/secrets/") for path in given.values())


def test_only_named_neighbours_get_in() -> None:
    policies = load("network.yaml")
    assert {found["kind"] for found in policies} == {"NetworkPolicy"}
    closed = policies[0]["spec"]
    assert (closed["podSelector"], closed["policyTypes"], closed.get("ingress")) == ({}, ["Ingress"], None)
