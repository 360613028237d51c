"""Shipped rules, dashboards and collectors: they speak of what the product exports, and of nothing else."""

import importlib.util
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from secureconnect.infra.telemetry.metrics import Metrics

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
RULES = sorted((DEPLOY / "prometheus" / "rules").glob("*.yml"))
TESTS = sorted((DEPLOY / "prometheus" / "tests").glob("*.yml"))
#: What Prometheus itself, and the library that exports, know.
STANDARD = {"up", "process_resident_memory_bytes", "process_cpu_seconds_total"}


def panels() -> ModuleType:
    """The module that writes the dashboard."""
    spec = importlib.util.spec_from_file_location("panels", DEPLOY / "grafana" / "panels.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def exported() -> set[str]:
    """Every name of a sample that a process may export."""
    found = set(STANDARD)
    for registry in Metrics("test", "0").registries:
        for family in registry.collect():
            name = family.name
            if family.type == "histogram":
                found |= {f"{name}_bucket", f"{name}_sum", f"{name}_count"}
            else:
                found.add(f"{name}_total" if family.type == "counter" else name)
    return found


def alerts() -> Iterator[dict[str, Any]]:
    for path in RULES:
        for group in yaml.safe_load(path.read_text())["groups"]:
            assert group["interval"] == "30s"
            yield from group["rules"]


def tool(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is missing: the Debian packages prometheus and prometheus-alertmanager have it")
    return found


def run(*command: str | Path) -> None:
    done = subprocess.run([str(each) for each in command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_rules_speak_of_what_is_exported() -> None:
    known = exported()
    for alert in alerts():
        names = panels().names(alert["expr"]) | ({"up"} if "up{" in alert["expr"] else set())
        assert names, alert["alert"]
        assert names <= known, (alert["alert"], names - known)


def test_panels_speak_of_what_is_exported() -> None:
    known, module = exported(), panels()
    for expr in module.expressions():
        names = module.names(expr)
        assert names, expr
        assert names <= known, (expr, names - known)


def test_names_are_found_in_expressions() -> None:
    expr = (
        'histogram_quantile(0.9, sum by (le, the_label) (rate(a_bucket{x_y="z_z"}[5m]))) / on (q_q) b_c > 1'
    )
    assert panels().names(expr) == {"a_bucket", "b_c"}


def test_the_dashboard_is_what_the_panels_say() -> None:
    module = panels()
    assert module.FILE.read_text("utf-8") == module.text(), "run python deploy/grafana/panels.py"
    board = json.loads(module.FILE.read_text("utf-8"))
    assert (board["refresh"], board["time"]["from"]) == ("10s", "now-1h")
    sources = yaml.safe_load(
        (DEPLOY / "grafana" / "provisioning" / "datasources" / "secureconnect.yml").read_text()
    )
    known = {source["uid"] for source in sources["datasources"]}
    for panel in board["panels"]:
        if panel["type"] != "row":
            assert panel["datasource"]["uid"] in known
            assert panel["targets"]
    ids = [panel["id"] for panel in board["panels"]]
    assert len(set(ids)) == len(ids)


def test_each_alert_has_a_runbook_and_a_test() -> None:
    tested = set(re.findall(r"alertname: (\w+)", "".join(path.read_text() for path in TESTS)))
    for alert in alerts():
        name = alert["alert"]
        assert alert["labels"]["severity"] in {"critical", "warning"}
        assert name in tested, f"{name} has no promtool test"
        page, _, section = alert["annotations"]["runbook"].partition("#")
        text = (ROOT / page).read_text("utf-8")
        assert not section or f"## {section}" in re.sub("(?m)^## .*$", lambda m: m.group().lower(), text)
        assert section in {"", name.lower()}, "the section is named after the alert"


def test_rules_and_their_tests_by_promtool() -> None:
    promtool = tool("promtool")
    run(promtool, "check", "rules", *RULES)
    run(promtool, "test", "rules", *TESTS)
    run(promtool, "check", "config", "--syntax-only", DEPLOY / "prometheus" / "prometheus.yml")


def test_alertmanager_takes_its_configuration(tmp_path: Path) -> None:
    """As `start` makes it, also with an address that sed could misunderstand."""
    amtool = tool("amtool")
    (tmp_path / "url").write_text("http://127.0.0.1:1/hook?a=1&b=2|3\n")
    config = tmp_path / "alertmanager.yml"
    run(
        "env",
        f"ALERT_WEBHOOK_URL_FILE={tmp_path / 'url'}",
        f"ALERTMANAGER_TEMPLATE={DEPLOY / 'alertmanager' / 'alertmanager.yml.template'}",
        f"ALERTMANAGER_CONFIG={config}",
        "ALERTMANAGER=true",
        DEPLOY / "alertmanager" / "start",
    )
    run(amtool, "check-config", config)
    loaded = yaml.safe_load(config.read_text())
    assert loaded["receivers"][0]["webhook_configs"][0]["url"] == "http://127.0.0.1:1/hook?a=1&b=2|3"
    route = loaded["route"]
    assert route["group_by"] == ["alertname", "service"]
    assert (route["group_wait"], route["group_interval"], route["repeat_interval"]) == ("10s", "10s", "12h")
    assert config.stat().st_mode & 0o077 == 0


def test_the_collector_keeps_few_labels() -> None:
    """No collector can be run here: its text is looked at, and Loki's by its parts."""
    text = (DEPLOY / "loki" / "config.alloy").read_text()
    (labels,) = re.findall(r"stage\.labels \{\s*values = \{([^}]*)\}", text)
    assert set(re.findall(r"(\w+) =", labels)) == {"level", "service"}
    for field in ("level", "service", "message", "request_id"):
        assert f'{field} = "{field}"' in text
    assert yaml.safe_load((DEPLOY / "loki" / "loki.yml").read_text())["limits_config"]["retention_period"]
