"""Third-party SMSCs: node-smpp, smpp34, and Kannel's test SMSC."""

import asyncio
import json
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

SCRIPT = Path(__file__).parent / "peers" / "smsc.js"
#: where Debian's kannel-extras installs it
DRIVE_SMPP = Path("/usr/lib/kannel/test/drive_smpp")
RECEIPT = "id:{} sub:001 dlvrd:001 submit date:2611220434 done date:2611220435 stat:DELIVRD err:000 text:-"


class ScriptedVendor:
    """A running SMSC: its port and what it reported."""

    def __init__(self, port: int = 0) -> None:
        self.port = port
        self.reported: list[dict[str, Any]] = []

    def messages(self, count: int) -> list[dict[str, Any]]:
        """Return that many submitted messages; fail after a timeout."""
        return self._wait("text", count)

    def events(self, count: int) -> dict[str, int]:
        """Return receipt id → command_status of deliver_sm_resp, for that many receipts; fail after a timeout."""
        return {fact["heard"]: fact["status"] for fact in self._wait("heard", count)}

    def _wait(self, key: str, count: int) -> list[dict[str, Any]]:
        end = time.monotonic() + 10
        while len(found := [fact for fact in list(self.reported) if key in fact]) < count:
            assert time.monotonic() < end, self.reported[-5:]
            time.sleep(0.01)
        assert len(found) == count
        return found


@contextmanager
def node_smpp() -> Iterator[ScriptedVendor]:
    """Run an SMSC on the npm package `smpp`, found by NODE_PATH."""
    node = shutil.which("node")
    if not node or subprocess.run([node, "-e", 'require("smpp")'], capture_output=True, check=False).returncode:
        pytest.skip("needs node and its package smpp")
    with subprocess.Popen([node, SCRIPT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdin
        scripted_vendor = ScriptedVendor(json.loads(process.stdout.readline())["port"])
        lines = process.stdout

        def note() -> None:
            scripted_vendor.reported.extend(map(json.loads, lines))

        noting = Thread(target=note)
        noting.start()
        try:
            yield scripted_vendor
        finally:
            process.stdin.close()
            process.wait(10)
            noting.join(10)


@contextmanager
def smpp34() -> Iterator[ScriptedVendor]:
    """Run the server of the package smpp34, which accepts any password."""
    module = pytest.importorskip("smpp34")
    with socket.create_server(("127.0.0.1", 0)) as server:
        scripted_vendor = ScriptedVendor(server.getsockname()[1])
    loop = asyncio.new_event_loop()
    running = Thread(target=loop.run_forever)
    running.start()

    async def deliver(esme: Any, event: Any, id_: str) -> None:
        tlvs = [module.Tlv(module.TLV_RECEIPTED_MESSAGE_ID, id_.encode() + b"\0")]
        answer = await esme.deliver_sm(
            event.source_addr,
            RECEIPT.format(id_).encode(),
            source_addr=event.destination_addr,
            esm_class=4,
            tlvs=tlvs,
        )
        scripted_vendor.reported.append({"heard": id_, "status": answer.command_status})

    async def serve(server: Any) -> None:
        esmes, tasks, taken = {}, set(), 0
        while True:
            event = await server.next()
            if isinstance(event, module.Esme):
                esmes[event.session_id] = event
            elif isinstance(event, module.SubmitSmEvent):
                taken += 1
                event.accept(id_ := f"{taken:08}")
                scripted_vendor.reported.append(_fact(event, id_))
                esme = esmes[event.session_id]
                if event.registered_delivery and esme.can_receive:
                    tasks.add(asyncio.ensure_future(deliver(esme, event, id_)))

    async def start() -> tuple[Any, asyncio.Task[None]]:
        server = module.Server("127.0.0.1", scripted_vendor.port)
        await server.start()
        return server, asyncio.create_task(serve(server))

    async def stop(server: Any, task: asyncio.Task[None]) -> None:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        await server.stop()

    server, task = asyncio.run_coroutine_threadsafe(start(), loop).result(10)
    try:
        yield scripted_vendor
    finally:
        asyncio.run_coroutine_threadsafe(stop(server, task), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        running.join()
        loop.close()


def _fact(event: Any, id_: str) -> dict[str, Any]:
    tlvs = {tlv.tag: tlv.value for tlv in event.tlvs}
    octets = event.short_message or tlvs.get(0x0424, b"")
    cut = 1 + octets[0] if event.esm_class & 0x40 else 0
    sar = [int.from_bytes(tlvs.get(tag, b""), "big") for tag in (0x020C, 0x020E, 0x020F)]
    return {
        "id": id_,
        "to": event.destination_addr,
        "sender": event.source_addr,
        "sender_ton": event.source_addr_ton,
        "text": octets[cut:].decode("utf-16-be" if event.data_coding == 8 else "ascii"),
        "coding": event.data_coding,
        "header": octets[1:cut].hex(),
        "sar": sar if any(sar) else None,
        "reference": int.from_bytes(tlvs[0x0204], "big"),
    }


@contextmanager
def drive_smpp(messages: int) -> Iterator[int]:
    """Run Kannel's test SMSC, which sends that many messages to a bound receiver; yield its port."""
    if not DRIVE_SMPP.exists():
        pytest.skip("needs Debian's kannel-extras")
    try:
        # it is made for Kannel's gateway, and exits if that port does not accept connections
        gateway = socket.create_server(("127.0.0.1", 13001))
    except OSError:
        pytest.skip("port 13001 is taken")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    command = [str(DRIVE_SMPP), "-v", "4", "-p", str(port), "-m", str(messages)]
    with gateway, subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            yield port
        finally:
            process.kill()
