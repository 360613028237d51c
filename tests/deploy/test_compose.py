"""The Compose files: valid, and as docs/reference/operations.md §6 lists them."""

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]
from compose_spec.models import ComposeSpecification

from tests.deploy.settings import unknown_variables

PLACE = Path(__file__).parents[2] / "deploy" / "compose"
FILES = sorted(path.name for path in PLACE.glob("*.yaml"))
ROLES = {
    "api-gateway": (8080, "0.5", "256M"),
    "auth-service": (8081, "0.5", "256M"),
    "chat-service": (8082, "0.5", "512M"),
    "video-service": (8083, "1.0", "512M"),
    "storage-service": (8084, "0.5", "256M"),
}
PUBLIC = {"nginx", "livekit"}


def load(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((PLACE / name).read_text())
    return loaded


@pytest.fixture
def production() -> dict[str, Any]:
    return load("production.yaml")


@pytest.mark.parametrize("name", FILES)
def test_is_compose(name: str) -> None:
    """The specification's own model takes it."""
    ComposeSpecification.model_validate(load(name))


@pytest.mark.parametrize("name", FILES)
def test_images_are_pinned_and_logs_bounded(name: str) -> None:
    for service, definition in load(name)["services"].items():
        if "image" in definition:
            assert re.search(r":v?\d+\.\d+(\.\d+)?[\w.-]*$", definition["image"]), service
        limits = definition.get("deploy", {}).get("resources", {}).get("limits", {})
        assert ({"cpus", "memory"} <= limits.keys()) or "image" not in definition, service


@pytest.mark.parametrize("name", FILES)
def test_no_password_is_in_a_file(name: str) -> None:
    """Secrets come as files; neither a value nor a default stands here."""
    for service, definition in load(name)["services"].items():
        environment = definition.get("environment") or {}
        for key, value in environment.items():
            if re.search(r"PASSWORD|SECRET|TOKEN|_KEY\b|MASTER_KEY|PASSPHRASE", key):
                path = str(value)
                assert path.startswith("/run/secrets/"), (service, key)


@pytest.mark.parametrize("name", FILES)
def test_every_container_is_watched_and_comes_back(name: str) -> None:
    for service, definition in load(name)["services"].items():
        if "image" not in definition:
            continue
        assert "healthcheck" in definition, service
        assert definition["restart"] in {"unless-stopped", "on-failure"}, service


def test_production_has_what_the_reference_lists(production: dict[str, Any]) -> None:
    services = production["services"]
    assert services.keys() >= {
        *("nginx", "migrate", "postgres", "cassandra", "redis", "seaweedfs", "coturn", "livekit"),
        *ROLES,
    }
    for name in ("nginx", "postgres", "cassandra", "redis", "seaweedfs", "coturn", "livekit"):
        assert services[name]["container_name"] == f"secureconnect_{name}"
    assert production["networks"].keys() == {"secureconnect-net", "monitoring-net"}
    assert production["volumes"].keys() >= {"redis_data", "cassandra_data", "app_logs", "backup_data"}
    assert {name for name, definition in services.items() if definition.get("ports")} == PUBLIC


def test_monitoring_has_what_the_reference_lists(production: dict[str, Any]) -> None:
    """Whatever Prometheus is told to ask is a service of either file, on the networks of production."""
    monitoring = load("monitoring.yaml")
    assert monitoring["services"].keys() >= {
        *("prometheus", "alertmanager", "grafana", "loki", "collector", "node-exporter"),
        *("postgres-exporter", "redis-exporter", "cassandra-exporter"),
    }
    assert monitoring["volumes"].keys() >= {"prometheus_data", "grafana_data", "loki_data"}
    assert monitoring["networks"].keys() == production["networks"].keys()
    text = (PLACE.parent / "prometheus" / "prometheus.yml").read_text()
    config = yaml.safe_load(text)
    targets = {
        target.partition(":")[0]
        for job in config["scrape_configs"]
        for target in [
            *(one for static in job.get("static_configs", []) for one in static["targets"]),
            *(one for found in job.get("dns_sd_configs", []) for one in found["names"]),
        ]
    }
    assert targets - {"localhost"} <= production["services"].keys() | monitoring["services"].keys()


@pytest.mark.parametrize("name", ROLES)
def test_roles_are_small_and_locked_up(production: dict[str, Any], name: str) -> None:
    port, cpus, memory = ROLES[name]
    definition = production["services"][name]
    assert definition["deploy"]["resources"]["limits"] == {"cpus": cpus, "memory": memory}
    assert definition["read_only"] is True
    assert definition["user"] == "10001:10001"
    assert definition["cap_drop"] == ["ALL"]
    check = definition["healthcheck"]
    assert check["test"] == ["CMD", "healthcheck", str(port)]
    assert (check["interval"], check["timeout"], check["retries"], check["start_period"]) == (
        *("30s", "10s", 3, "10s"),
    )


@pytest.mark.parametrize("name", FILES)
def test_our_settings_exist(name: str) -> None:
    for definition in load(name)["services"].values():
        environment = definition.get("environment") or {}
        assert unknown_variables(environment) == []


def test_every_secret_is_declared_and_made(production: dict[str, Any], tmp_path: Path) -> None:
    """`make-secrets` makes each one, but what is the operator's own; once, and none is empty."""
    asked = {
        secret for definition in production["services"].values() for secret in definition.get("secrets", [])
    }
    assert asked == production["secrets"].keys()
    script = shutil.copy(PLACE / "make-secrets", tmp_path)
    subprocess.run([script], check=True, capture_output=True)
    made = {path.name: path.read_text() for path in (tmp_path / "secrets").iterdir()}
    declared = {**production["secrets"], **load("monitoring.yaml")["secrets"]}
    wanted = {Path(secret["file"]).name for secret in declared.values()}
    assert wanted - made.keys() == {"tls_certificate.pem", "tls_key.pem", "alert_webhook_url"}
    assert all(made.values())
    assert (tmp_path / "secrets").stat().st_mode & 0o777 == 0o700
    subprocess.run([script], check=True, capture_output=True)
    assert {path.name: path.read_text() for path in (tmp_path / "secrets").iterdir()} == made


def test_nginx_gets_every_variable_of_its_templates(production: dict[str, Any]) -> None:
    given = production["services"]["nginx"]["environment"].keys()
    templates = (PLACE.parent / "nginx").glob("*.template")
    named = {name for path in templates for name in re.findall(r"\$\{(NGINX_[A-Z_]+)\}", path.read_text())}
    assert named <= given


def test_docker_itself_takes_them(tmp_path: Path) -> None:
    """`docker compose config`, where the plugin is."""
    docker = shutil.which("docker")
    if docker is None or subprocess.call([docker, "compose", "version"], stderr=subprocess.DEVNULL) != 0:
        pytest.skip("the plugin `docker compose` is not on this machine")
    shutil.copytree(PLACE.parent, tmp_path / "deploy")
    place = tmp_path / "deploy" / "compose"
    subprocess.run([place / "make-secrets"], check=True, capture_output=True)
    for name in ("tls_certificate.pem", "tls_key.pem", "alert_webhook_url"):
        (place / "secrets" / name).touch()
    shutil.copy(place / "production.env.example", place / ".env")
    for files in (
        ["embedded.yaml"],
        ["production.yaml"],
        ["production.yaml", "cockroachdb.yaml"],
        ["production.yaml", "monitoring.yaml"],
    ):
        chosen = [word for name in files for word in ("-f", name)]
        done = subprocess.run(
            [docker, "compose", *chosen, "config", "--quiet"],
            cwd=place,
            env=dict(os.environ),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, (files, done.stderr)
