"""The simulator's server: any number of carriers on one HTTP and one SMPP port, until it is stopped."""

import asyncio
import signal
import ssl
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path

from pipeline.carriers.http1 import new_event_loop
from pipeline.carriers.simulator_log import OracleLog
from pipeline.errors import ConfigurationError
from workers.lab.simulator.http_connection import SimulatorHttpConnection
from workers.lab.simulator.receipt_poster import ROUND, ReceiptPoster
from workers.lab.simulator.scripts import scripts
from workers.lab.simulator.simulated_carrier import SimulatedCarriers
from workers.lab.simulator.smsc_connection import SmscConnection


async def serve(
    carriers: Mapping[str, Mapping[str, object]],
    stop: asyncio.Event,
    *,
    host: str = "127.0.0.1",
    port: int = 8090,
    smpp_port: int = 0,
    tls: ssl.SSLContext | None = None,
    log: Path | None = None,
    fsync: bool = False,
    ready: Callable[[int, int], object] = lambda *_: None,
) -> None:
    """Play the carriers' scripts until `stop` is set; `ready` gets both ports (0 asks for a free one).

    `tls` is for SMPP. ConfigurationError: a port is in use, the log cannot be written, a script is invalid.
    """
    written = OracleLog(log, fsync) if log else None
    poster = ReceiptPoster()
    try:
        simulated = SimulatedCarriers(carriers, written, poster)
        http: set[SimulatorHttpConnection] = set()
        smpp: set[SmscConnection] = set()
        async with AsyncExitStack() as open_:
            server = await _listen(open_, lambda: SimulatorHttpConnection(simulated, http), host, port)
            smsc = await _listen(open_, lambda: SmscConnection(simulated, smpp), host, smpp_port, tls)
            tasks = [asyncio.create_task(each) for each in (poster.run(), send_due(simulated))]
            try:
                ready(_port(server), _port(smsc))
                await stop.wait()
            finally:
                server.close()
                smsc.close()
                await asyncio.sleep(0)  # lets connections that were just accepted be counted
                for caller in list(http):
                    caller.hang_up()
                for esme in list(smpp):
                    esme.hang_up()
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
    finally:
        if written:
            written.close()


async def send_due(carriers: SimulatedCarriers) -> None:
    """Send each carrier's due deliver_sm, for ever."""
    while True:
        await asyncio.sleep(ROUND)
        now = time.time()
        for carrier in carriers.by_name.values():
            carrier.pending.round(now, carrier.oracle.script.smpp.retry_after)


def main(
    carriers: Sequence[str] = (),
    *,
    config: Path | None = None,
    seed: int = 0,
    host: str = "127.0.0.1",
    port: int = 8090,
    smpp_port: int = 2775,
    certificate: Path | None = None,
    log: Path | None = None,
    fsync: bool = False,
) -> None:
    """Run `postroad simulator` until SIGTERM or SIGINT; ConfigurationError says what is invalid."""
    played = scripts(config, carriers, seed)
    tls = certified(certificate) if certificate else None

    def announce(http: int, smpp: int) -> None:
        sys.stdout.write(f"simulator listens on http://{host}:{http}: {', '.join(played)}\n")
        sys.stdout.write(f"and as an SMSC on {'ssmpp' if tls else 'smpp'}://{host}:{smpp}\n")
        sys.stdout.flush()

    async def until_signalled() -> None:
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        ports = {"port": port, "smpp_port": smpp_port}
        await serve(played, stop, host=host, **ports, tls=tls, log=log, fsync=fsync, ready=announce)

    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(until_signalled())


def certified(certificate: Path) -> ssl.SSLContext:
    """Return the TLS context of a server with that certificate and key; ConfigurationError if it is invalid."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(certificate)
    except OSError as error:
        raise ConfigurationError(f"{certificate}: not a certificate with its key: {error.strerror or error}") from None
    return context


async def _listen(
    open_: AsyncExitStack,
    protocol: Callable[[], asyncio.Protocol],
    host: str,
    port: int,
    tls: ssl.SSLContext | None = None,
) -> asyncio.Server:
    try:
        server = await asyncio.get_running_loop().create_server(protocol, host, port, ssl=tls, backlog=1024)
    except OSError as error:
        raise ConfigurationError(f"simulator: cannot listen on {host}:{port}: {error.strerror or error}") from None
    open_.callback(server.close)
    return server


def _port(server: asyncio.Server) -> int:
    return int(server.sockets[0].getsockname()[1])
