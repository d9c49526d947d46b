"""The simulator's process: any number of carriers behind one port, until it is told to stop."""

import asyncio
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from pipeline.carriers.http1 import new_event_loop
from pipeline.carriers.oracle import Log
from pipeline.errors import ConfigurationError
from workers.simulator.desk import Counter
from workers.simulator.door import Door
from workers.simulator.postman import Postman
from workers.simulator.scripts import scripts


async def serve(
    carriers: Mapping[str, Mapping[str, object]],
    stop: asyncio.Event,
    *,
    host: str = "127.0.0.1",
    port: int = 8090,
    log: Path | None = None,
    fsync: bool = False,
    ready: Callable[[int], object] = lambda _: None,
) -> None:
    """Play the carriers' scripts until `stop` is set; `ready` is told the port (0 asks for a free one).

    ConfigurationError: the port is taken, the log cannot be written, a script does not fit.
    """
    written = Log(log, fsync) if log else None
    postman = Postman()
    try:
        counter = Counter(carriers, written, postman)
        doors: set[Door] = set()
        server = await _listen(lambda: Door(counter, doors), host, port)
        walk = asyncio.create_task(postman.walk())
        try:
            ready(server.sockets[0].getsockname()[1])
            await stop.wait()
        finally:
            server.close()
            for door in list(doors):
                door.hang_up()
            walk.cancel()
            with suppress(asyncio.CancelledError):
                await walk
    finally:
        if written:
            written.close()


def main(
    carriers: Sequence[str] = (),
    *,
    config: Path | None = None,
    seed: int = 0,
    host: str = "127.0.0.1",
    port: int = 8090,
    log: Path | None = None,
    fsync: bool = False,
) -> None:
    """Run `postroad simulator` until SIGTERM or SIGINT; ConfigurationError says what does not fit."""
    played = scripts(config, carriers, seed)

    def announce(bound: int) -> None:
        sys.stdout.write(f"simulator listens on http://{host}:{bound}: {', '.join(played)}\n")
        sys.stdout.flush()

    async def until_told() -> None:
        stop = asyncio.Event()
        for told in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(told, stop.set)
        await serve(played, stop, host=host, port=port, log=log, fsync=fsync, ready=announce)

    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(until_told())


async def _listen(door: Callable[[], Door], host: str, port: int) -> asyncio.Server:
    try:
        return await asyncio.get_running_loop().create_server(door, host, port, backlog=1024)
    except OSError as error:
        raise ConfigurationError(f"simulator: cannot listen on {host}:{port}: {error.strerror or error}") from None
