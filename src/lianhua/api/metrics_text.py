"""What was counted, as Prometheus reads it (text exposition format 0.0.4)."""

from collections.abc import Iterator
from itertools import accumulate
from typing import Final

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from lianhua.metrics import COUNTERS, GAUGES, HISTOGRAMS, HistogramValue, Snapshot

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"


def metrics_text(counted: Snapshot) -> bytes:
    """The document of one scrape."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Counted(counted))
    return generate_latest(registry)


class _Counted(Collector):
    def __init__(self, counted: Snapshot) -> None:
        self._counted = counted

    def collect(self) -> Iterator[Metric]:
        for counter in COUNTERS:
            family = CounterMetricFamily(counter.name, counter.help, None, counter.label_names)
            for label, value in self._counted.counters.get(counter.name, ()):
                family.add_metric(label, value)
            yield family
        for gauge in GAUGES:
            yield GaugeMetricFamily(gauge.name, gauge.help, value=self._counted.gauges.get(gauge.name, 0))
        for histogram in HISTOGRAMS:
            found = self._counted.histograms.get(histogram.name)
            family_of = HistogramMetricFamily(histogram.name, histogram.help)
            family_of.add_metric((), *_buckets(histogram.bounds, found))
            yield family_of


def _buckets(bounds: tuple[float, ...], found: HistogramValue | None) -> tuple[list[tuple[str, float]], float]:
    """Cumulative counts by upper bound, and the sum."""
    counts = found.counts if found and len(found.counts) == len(bounds) + 1 else (0,) * (len(bounds) + 1)
    names = [*(f"{bound:g}" for bound in bounds), "+Inf"]
    return list(zip(names, accumulate(counts), strict=True)), found.sum if found else 0.0
