"""Runs the console under uvicorn until the process is told to stop."""

import uvicorn

from pipeline.runtime import Runtime, Work
from pipeline.settings import Settings
from workers.console.application import application
from workers.console.connections import ConsoleConnection
from workers.processes.free_port import require_free

#: seconds that open requests may take when the console stops
_SHUTDOWN = 10
#: concurrent connections beyond which requests are answered with 503
_CONNECTIONS = 500


def serve(settings: Settings) -> None:
    """Serve the console until SIGTERM or SIGINT; ConfigurationError when its port is taken."""
    require_free(settings.console_host, settings.console_port, "POSTROAD_CONSOLE_PORT")
    rt = Runtime(settings, deadlines=Work.API.value)
    try:
        uvicorn.Server(config(rt, settings.console_host, settings.console_port)).run()
    finally:
        rt.close()


def config(rt: Runtime, host: str, port: int) -> uvicorn.Config:
    """Return uvicorn's configuration for this console."""
    return uvicorn.Config(
        application(rt),
        host=host,
        port=port,
        http=ConsoleConnection,
        lifespan="off",
        log_config=None,
        # paths hold what was searched for
        access_log=False,
        server_header=False,
        proxy_headers=bool(rt.settings.gateway_proxies),
        forwarded_allow_ips=list(rt.settings.gateway_proxies),
        limit_concurrency=_CONNECTIONS,
        timeout_graceful_shutdown=_SHUTDOWN,
    )
