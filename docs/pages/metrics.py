"""The page of metrics."""

from prometheus_client.metrics import MetricWrapperBase

from docs.pages.schema_words import MARK
from secureconnect.infra.telemetry.metrics import Metrics

__all__ = ["metrics_page"]

_METRICS = """\
# Metrics

{mark}

`GET /metrics`, in the text format of Prometheus. Each sample has the label `service` too. No label holds an
id, an address, a raw path or somebody's text: `endpoint` is the template of the route, or `unmatched`.
Durations are in seconds, sizes in bytes. The standard `process_*` and `python_*` metrics come on top. Those
of what a process does not have (Redis, calls) exist, for dashboards that serve all of them, and stay 0.
"""


def metrics_page() -> str:
    """Every metric of our own."""
    metrics = Metrics("secureconnect", "0")
    rows = []
    for registry in metrics.registries:
        for collector in registry._collector_to_names:
            if not isinstance(collector, MetricWrapperBase):
                continue  # the standard ones
            for family in collector.describe():
                name = f"{family.name}_total" if family.type == "counter" else family.name
                labels = ", ".join(collector._labelnames)  # shown nowhere else
                rows.append(f"| {name} | {family.type} | {labels} | {family.documentation} |")
    lines = [
        _METRICS.format(mark=MARK),
        "| Metric | Type | Labels | Meaning |\n|---|---|---|---|",
        *sorted(rows),
    ]
    return "\n".join(lines) + "\n"
