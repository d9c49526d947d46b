"""The exporter: serves the installation's metrics to Prometheus, also while database or broker are away."""

import logging
import signal
import socket
import time
from collections.abc import Callable, Iterable, Mapping
from socketserver import ThreadingMixIn
from threading import Event, Lock, Thread
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import CollectorRegistry, make_wsgi_app
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from pipeline.errors import ConfigurationError, DatabaseFault
from pipeline.runtime import Runtime, Work
from pipeline.settings import Settings
from pipeline.stages.admin.metrics_snapshot import MetricsSnapshot, read_snapshot, read_valkey
from workers.metrics.broker_state import BrokerWatch
from workers.metrics.families import Samples
from workers.metrics.installation import installation_metrics
from workers.processes.free_port import require_free

log = logging.getLogger(__name__)

#: seconds for which metrics are cached, and the same as a multiple of the seconds that reading them took: scrapes, by
#: however many, take a tenth of one connection at most
_FRESH, _SHARE = 1.0, 10.0


class InstallationCollector(Collector):
    """Collects the installation's metrics, cached for a second."""

    def __init__(self, rt: Runtime, watch: BrokerWatch) -> None:
        """Take the runtime to read with, and the watch on the broker."""
        self._rt, self._watch = rt, watch
        self._lock = Lock()
        self._samples: Samples | None = None
        self._fresh_until = float("-inf")
        self._is_down = False

    def collect(self) -> Iterable[Metric]:
        """Return the metrics; concurrent calls wait for the first."""
        with self._lock:
            if self._samples is None or time.monotonic() > self._fresh_until:
                began = time.monotonic()
                self._samples = installation_metrics(self._snapshot(), self._watch.state, read_valkey(self._rt))
                took = time.monotonic() - began
                self._fresh_until = time.monotonic() + max(_FRESH, _SHARE * took)
            return list(self._samples)

    def describe(self) -> Iterable[Metric]:
        """Return nothing: registering reads nothing."""
        return []

    def _snapshot(self) -> MetricsSnapshot | None:
        try:
            found = read_snapshot(self._rt)
        except DatabaseFault as fault:
            if not self._is_down:
                log.warning("no metrics of the database: %s", fault)
            self._is_down = True
            return None
        self._is_down = False
        return found


class _Server(ThreadingMixIn, WSGIServer):
    """Answers each request in a thread."""

    daemon_threads = True


class _ServerOfIPv6(_Server):
    address_family = socket.AF_INET6


class _Handler(WSGIRequestHandler):
    """Logs no request."""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as it is called
        """Do nothing."""


def _application(registry: CollectorRegistry) -> Callable[..., Iterable[bytes]]:
    """Return the application that serves metrics, and /livez, which reads nothing."""
    metrics: Callable[..., Iterable[bytes]] = make_wsgi_app(registry)

    def answer(environ: Mapping[str, str], start_response: Callable[..., object]) -> Iterable[bytes]:
        if environ["PATH_INFO"] != "/livez":
            return metrics(environ, start_response)
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"ok"]

    return answer


def serve(settings: Settings) -> None:
    """Serve metrics until SIGTERM or SIGINT; ConfigurationError when the port is in use."""
    if not settings.metrics_port:
        raise ConfigurationError("POSTROAD_METRICS_PORT is 0, which only turns the metrics of the gateway off")
    require_free(settings.metrics_host, settings.metrics_port, "POSTROAD_METRICS_PORT")
    stopped = Event()
    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, lambda *_: stopped.set())
    rt = Runtime(settings, deadlines=Work.METRICS.value)
    watch = BrokerWatch(rt)
    registry = CollectorRegistry()
    registry.register(InstallationCollector(rt, watch))
    watch.start()
    server = make_server(
        settings.metrics_host,
        settings.metrics_port,
        _application(registry),
        _ServerOfIPv6 if ":" in settings.metrics_host else _Server,
        _Handler,
    )
    thread = Thread(target=server.serve_forever, name="metrics", daemon=True)
    thread.start()
    log.info("metrics at http://%s:%d/metrics", settings.metrics_host, settings.metrics_port)
    try:
        stopped.wait()
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
        watch.stop()
        rt.close()
