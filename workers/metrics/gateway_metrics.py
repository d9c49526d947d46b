"""Metrics of one gateway process: how long its responses take and how large they are. Each process serves its own.

They are counted in plain lists, on the event loop: prometheus_client's own histograms cost ten times as much.
"""

import logging
from bisect import bisect_left
from collections.abc import Iterable

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from pipeline.settings import Settings
from workers.metrics import metric_definitions as m
from workers.metrics.families import Samples

log = logging.getLogger(__name__)

#: upper bounds of the buckets
SECONDS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 20.0)
BYTES = (256.0, 1024.0, 4096.0, 16384.0, 65536.0, 262144.0, 1048576.0, 16777216.0)
#: label of an operation that is not known: the path or the method is none of the API's, or the body was rejected
UNKNOWN = "none"


class _Figures:
    """The counts of the requests with the same labels."""

    __slots__ = ("request_sizes", "requested", "responded", "response_sizes", "seconds", "took")

    def __init__(self) -> None:
        self.took, self.seconds = 0.0, [0] * (len(SECONDS) + 1)
        self.requested, self.request_sizes = 0, [0] * (len(BYTES) + 1)
        self.responded, self.response_sizes = 0, [0] * (len(BYTES) + 1)


class GatewayMetrics(Collector):
    """Counts requests by dialect, operation and status."""

    def __init__(self) -> None:
        """Begin at nothing."""
        self._figures: dict[tuple[str, str, int], _Figures] = {}

    def note(self, dialect: str, operation: str, status: int, seconds: float, requested: int, responded: int) -> None:
        """Count a response that took so long; `requested`, `responded`: bytes of the bodies."""
        found = self._figures.get((dialect, operation, status))
        if found is None:
            found = self._figures[dialect, operation, status] = _Figures()
        found.took += seconds
        found.seconds[bisect_left(SECONDS, seconds)] += 1
        found.requested += requested
        found.request_sizes[bisect_left(BYTES, requested)] += 1
        found.responded += responded
        found.response_sizes[bisect_left(BYTES, responded)] += 1

    def collect(self) -> Iterable[Metric]:
        """Return the metrics."""
        samples = Samples(m.GATEWAY)
        for (dialect, operation, status), each in self._figures.items():
            labels = dialect, operation, str(status)
            samples.add_histogram(m.REQUEST_SECONDS, SECONDS, each.seconds, each.took, *labels)
            samples.add_histogram(m.REQUEST_BYTES, BYTES, each.request_sizes, each.requested, *labels)
            samples.add_histogram(m.RESPONSE_BYTES, BYTES, each.response_sizes, each.responded, *labels)
        return list(samples)

    def describe(self) -> Iterable[Metric]:
        """Return nothing: registering counts nothing."""
        return []


async def serve_gateway_metrics(settings: Settings, process: int, metrics: GatewayMetrics) -> web.ServerRunner | None:
    """Serve the metrics of a gateway process, at POSTROAD_METRICS_PORT and its number (1, 2, …).

    None if they are not served: requests are answered without them.
    """
    if not settings.metrics_port:
        return None
    registry = CollectorRegistry()
    registry.register(metrics)

    async def answer(request: web.BaseRequest) -> web.Response:
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        return web.Response(body=encode(registry), headers={"Content-Type": content_type})

    runner = web.ServerRunner(web.Server(answer), shutdown_timeout=1)
    await runner.setup()
    port = settings.metrics_port + process
    try:
        await web.TCPSite(runner, settings.metrics_host, port).start()
    except (OSError, OverflowError) as error:
        log.warning("no metrics of this gateway process: port %d cannot be listened on: %s", port, error)
        await runner.cleanup()
        return None
    return runner
