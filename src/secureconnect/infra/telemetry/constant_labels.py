"""Labels that every sample of a process has."""

from collections.abc import Iterator, Mapping
from itertools import chain

from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

__all__ = ["WithConstants"]


class WithConstants(Collector):
    """The registries with the constant labels on every sample."""

    def __init__(self, registries: tuple[CollectorRegistry, ...], constant: Mapping[str, str]) -> None:
        self._registries = registries
        self._constant = constant

    def collect(self) -> Iterator[Metric]:
        for metric in chain.from_iterable(registry.collect() for registry in self._registries):
            metric.samples = [
                sample._replace(labels={**sample.labels, **self._constant}) for sample in metric.samples
            ]
            yield metric
