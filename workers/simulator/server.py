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
from pipeline.carriers.oracle import Log
from pipeline.errors import ConfigurationError
from workers.simulator.desk import Counter
from workers.simulator.door import Door
from workers.simulator.postman import ROUND, Postman
from workers.simulator.scripts import scripts
from workers.simulator.smsc import Guest


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
    written = Log(log, fsync) if log else None
    postman = Postman()
    try:
        counter = Counter(carriers, written, postman)
        doors: set[Door] = set()
        guests: set[Guest] = set()
        async with AsyncExitStack() as open_:
            server = await _listen(open_, lambda: Door(counter, doors), host, port)
            smsc = await _listen(open_, lambda: Guest(counter, guests), host, smpp_port, tls)
            walks = [asyncio.create_task(walk) for walk in (postman.walk(), bring(counter))]
            try:
                ready(_port(server), _port(smsc))
                await stop.wait()
            finally:
                server.close()
                smsc.close()
                await asyncio.sleep(0)  # who came a moment ago is known then
                for door in list(doors):
                    door.hang_up()
                for guest in list(guests):
                    guest.hang_up()
                for walk in walks:
                    walk.cancel()
                await asyncio.gather(*walks, return_exceptions=True)
    finally:
        if written:
            written.close()


async def bring(counter: Counter) -> None:
    """Bring what each carrier has to say in SMPP on its minute, for ever."""
    while True:
        await asyncio.sleep(ROUND)
        now = time.time()
        for desk in counter.desks.values():
            desk.mailbox.round(now, desk.oracle.script.smpp.patience)


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

    async def until_told() -> None:
        stop = asyncio.Event()
        for told in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(told, stop.set)
        ports = {"port": port, "smpp_port": smpp_port}
        await serve(played, stop, host=host, **ports, tls=tls, log=log, fsync=fsync, ready=announce)

    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(until_told())


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
