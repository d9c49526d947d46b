"""A scrape of the installation's metrics, in this process."""

from collections.abc import Mapping

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from pipeline.runtime import Runtime
from workers.metrics.broker_state import BrokerState, BrokerWatch
from workers.metrics.exporter import InstallationCollector

#: a broker with one worker of each name
BROKER = BrokerState(is_up=True, depths={"deliver": 0}, workers={"worker": 1, "lane": 1, "clock": 1})


def scraped(rt: Runtime, broker: BrokerState = BROKER) -> str:
    """Return what Prometheus gets."""
    watch = BrokerWatch(rt)
    watch.state = broker
    registry = CollectorRegistry()
    registry.register(InstallationCollector(rt, watch))
    return generate_latest(registry).decode()


class Scrape:
    """A parsed scrape: `scrape("postroad_attempts_total", carrier="alpha")`."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.families = {family.name: family for family in text_string_to_metric_families(text)}
        self.samples = [sample for family in self.families.values() for sample in family.samples]

    def __call__(self, name: str, **labels: str) -> float | None:
        """Return the sum of the samples of that name with these labels; None: there is none."""
        found = [
            sample.value for sample in self.samples if sample.name == name and labels.items() <= sample.labels.items()
        ]
        return sum(found) if found else None

    def counters(self) -> Mapping[tuple[str, tuple[tuple[str, str], ...]], float]:
        """Return all samples of counters and histograms."""
        return {
            (sample.name, tuple(sorted(sample.labels.items()))): sample.value
            for family in self.families.values()
            if family.type in ("counter", "histogram")
            for sample in family.samples
        }
