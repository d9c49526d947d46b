"""Samples of metrics, collected under their definitions and given to prometheus_client as families."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from workers.metrics.metric_definitions import MetricDefinition, MetricType


class Samples:
    """Samples of some metrics; one without a sample is exported with its HELP and TYPE lines only."""

    def __init__(self, definitions: Iterable[MetricDefinition]) -> None:
        """Begin without samples."""
        self._families: dict[str, CounterMetricFamily | GaugeMetricFamily | HistogramMetricFamily] = {
            each.name: _family(each) for each in definitions
        }

    def add(self, metric: MetricDefinition, value: float, *labels: str) -> None:
        """Add a sample of a counter or gauge."""
        family = self._families[metric.name]
        assert not isinstance(family, HistogramMetricFamily)
        family.add_metric(labels, value)

    def add_all(self, metric: MetricDefinition, values: Mapping[str, float]) -> None:
        """Add a sample for each value of the metric's only label."""
        for label, value in values.items():
            self.add(metric, value, label)

    def add_histogram(
        self, metric: MetricDefinition, bounds: Sequence[float], counts: Sequence[int], total: float, *labels: str
    ) -> None:
        """Add a histogram: the events in each bucket, one more than bounds, and the sum of what they measured."""
        family = self._families[metric.name]
        assert isinstance(family, HistogramMetricFamily)
        buckets, events = [], 0
        for bound, count in zip((*bounds, float("inf")), counts, strict=True):
            events += count
            buckets.append((_written(bound), float(events)))
        family.add_metric(labels, buckets, total)

    def __iter__(self) -> Iterator[Metric]:
        """Yield the families."""
        yield from self._families.values()


def _written(bound: float) -> str:
    """Return a bucket's bound as Prometheus' own clients write it: 1.0, +Inf."""
    return "+Inf" if bound == float("inf") else repr(bound)


def _family(metric: MetricDefinition) -> CounterMetricFamily | GaugeMetricFamily | HistogramMetricFamily:
    if metric.type is MetricType.COUNTER:
        return CounterMetricFamily(metric.name, metric.meaning, labels=metric.labels)
    if metric.type is MetricType.GAUGE:
        return GaugeMetricFamily(metric.name, metric.meaning, labels=metric.labels)
    return HistogramMetricFamily(metric.name, metric.meaning, labels=metric.labels)
