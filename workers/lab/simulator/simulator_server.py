"""The simulator's process: any number of carriers behind a port for HTTP and one for SMPP, until told to stop."""

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
    """Play the carriers' scripts until `stop` is set; `ready` is told both ports (0 asks for a free one).

    `tls` is for SMPP. ConfigurationError: a port is taken, the log cannot be written, a script does not fit.
    """
    written = OracleLog(log, fsync) if log else None
    postman = ReceiptPoster()
    try:
        counter = SimulatedCarriers(carriers, written, postman)
        apis: set[SimulatorHttpConnection] = set()
        guests: set[SmscConnection] = set()
        async with AsyncExitStack() as open_:
            server = await _listen(open_, lambda: SimulatorHttpConnection(counter, apis), host, port)
            smsc = await _listen(open_, lambda: SmscConnection(counter, guests), host, smpp_port, tls)
            walks = [asyncio.create_task(walk) for walk in (postman.walk(), bring(counter))]
            try:
                ready(_port(server), _port(smsc))
                await stop.wait()
            finally:
                server.close()
                smsc.close()
                await asyncio.sleep(0)  # who came a moment ago is known then
                for door in list(apis):
                    door.hang_up()
                for guest in list(guests):
                    guest.hang_up()
                for walk in walks:
                    walk.cancel()
                await asyncio.gather(*walks, return_exceptions=True)
    finally:
        if written:
            written.close()


async def bring(counter: SimulatedCarriers) -> None:
    """Bring what each carrier has to say in SMPP on its minute, for ever."""
    while True:
        await asyncio.sleep(ROUND)
        now = time.time()
        for simulated in counter.desks.values():
            simulated.mailbox.round(now, simulated.oracle.script.smpp.patience)


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
    """Run `postroad simulator` until SIGTERM or SIGINT; ConfigurationError says what does not fit."""
    played = scripts(config, carriers, seed)
    tls = certified(certificate) if certificate else None

    def announce(http: int, smpp: int) -> None:
        sys.stdout.write(f"simulator listens on http://{host}:{http}: {', '.join(played)}\n")
        sys.stdout.write(f"and as an SMSC on {'ssmpp' if tls else 'smpp'}://{host}:{smpp}\n")
        sys.stdout.flush()

    async def until_reported() -> None:
        stop = asyncio.Event()
        for reported in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(reported, stop.set)
        ports = {"port": port, "smpp_port": smpp_port}
        await serve(played, stop, host=host, **ports, tls=tls, log=log, fsync=fsync, ready=announce)

    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(until_reported())


def certified(certificate: Path) -> ssl.SSLContext:
    """Return what a server with that certificate and key speaks TLS by; ConfigurationError where it is none."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(certificate)
    except OSError as error:
        raise ConfigurationError(f"{certificate}: no certificate with its key: {error.strerror or error}") from None
    return context


async def _listen(
    open_: AsyncExitStack,
    guest: Callable[[], asyncio.Protocol],
    host: str,
    port: int,
    tls: ssl.SSLContext | None = None,
) -> asyncio.Server:
    try:
        server = await asyncio.get_running_loop().create_server(guest, host, port, ssl=tls, backlog=1024)
    except OSError as error:
        raise ConfigurationError(f"simulator: cannot listen on {host}:{port}: {error.strerror or error}") from None
    open_.callback(server.close)
    return server


def _port(server: asyncio.Server) -> int:
    return int(server.sockets[0].getsockname()[1])
