"""Mutated PDUs over live binds: only a broken stream ends its session, and nothing affects the others."""

import json
import random
import struct
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from pipeline.carriers.smpp import pdu
from pipeline.carriers.smpp.codes import RESPONSE, CommandId, CommandStatus, Tag
from pipeline.carriers.smpp.framer import LONGEST
from pipeline.stages.carrier_placement import keep_connected
from pipeline.stages.settle import settle
from tests.carriers.smpp.peer import Clients, EsmeConnection, smsc
from tests.carriers.smpp.test_session_deliver_sm import Listener, until
from tests.fuzzing import rounds, seeded
from tests.world import World
from workers.carrier_workers.listener import handle_events

RECEIPT = "id:{} sub:001 dlvrd:001 submit date:2611220434 done date:2611220435 stat:DELIVRD err:000 text:hello"
SOURCE, DESTINATION = pdu.address("source_addr", 1, 1, "2348012345678"), pdu.address("destination_addr", 5, 0, "ACME")
#: sequence numbers that are none of ours
FAR = 0x40000000
#: mutated PDUs between two good receipts
BATCH = 12
ADDRESSES = SOURCE + DESTINATION
TLVS = pdu.tlv(Tag.RECEIPTED_MESSAGE_ID, b"nobody\0") + pdu.tlv(Tag.MESSAGE_STATE, b"\2")


def spoken(text: bytes, **fields: Any) -> bytes:
    return pdu.message(SOURCE, DESTINATION, text, **fields)


#: what an SMSC may say at any time: (command, body)
SAID: list[tuple[int, bytes]] = [
    (CommandId.DELIVER_SM, spoken(RECEIPT.format("nobody").encode(), esm_class=4)),
    (CommandId.DELIVER_SM, spoken(RECEIPT.format("nobody").encode("utf-16-be"), esm_class=4, data_coding=8)[:250]),
    (CommandId.DELIVER_SM, spoken(b"", esm_class=4, tlvs=TLVS)),
    (CommandId.DELIVER_SM, spoken(b"", tlvs=pdu.tlv(Tag.MESSAGE_PAYLOAD, b"x" * 3000))),
    (CommandId.DELIVER_SM, spoken(b"STOP")),
    (CommandId.DELIVER_SM, spoken("СТОП".encode("utf-16-be"), data_coding=8)),
    (CommandId.DELIVER_SM, spoken(bytes.fromhex("050003070201") + b"part", esm_class=0x40)),
    (CommandId.DATA_SM, b"\0" + ADDRESSES + b"\4\0\0" + TLVS),
    (CommandId.ENQUIRE_LINK, b""),
    (CommandId.ALERT_NOTIFICATION, ADDRESSES),
    (CommandId.OUTBIND, b"smsc\0secret\0"),
    (CommandId.SUBMIT_SM, spoken(b"to you")),
    (CommandId.SUBMIT_SM_RESP, b"stray\0"),
    (CommandId.SUBMIT_SM_RESP, b""),
    (CommandId.BIND_TRANSCEIVER_RESP, b"smsc\0"),
    (CommandId.QUERY_SM_RESP, b"stray\0\0\2\0"),
    (CommandId.ENQUIRE_LINK_RESP, b""),
    (CommandId.UNBIND_RESP, b""),
    (CommandId.GENERIC_NACK, b""),
]


def change(rng: random.Random, octets: bytes) -> bytes:
    """Return octets, some of them flipped, cut out, put in twice or made up."""
    changed = bytearray(octets)
    for _ in range(rng.choice((0, 1, 1, 2, 5))):
        at, length = rng.randrange(len(changed) + 1), rng.choice((1, 1, 2, 4, 17))
        match rng.randrange(5):
            case 0 if at < len(changed):
                changed[at] ^= 1 << rng.randrange(8)
            case 1:
                del changed[at : at + length]
            case 2:
                changed[at:at] = changed[at : at + length]
            case 3:
                changed[at:at] = rng.randbytes(length)
            case _:
                del changed[at:]
    return bytes(changed)


def whole(rng: random.Random) -> bytes:
    """Return a PDU of which anything may be wrong but its length."""
    command, body = rng.choice(SAID)
    if rng.random() < 0.1:
        command = rng.choice([*CommandId, rng.randrange(2**32), command | RESPONSE])
    if command == CommandId.UNBIND:
        command = CommandId.ENQUIRE_LINK
    status = rng.choice((0, 0, 0, 8, 0x58, 0xFFFFFFFF))
    return pdu.pdu(command, rng.randrange(FAR, 2**32), change(rng, body), status)


def broken(rng: random.Random) -> bytes:
    """Return what ends the stream: a length that is none, or a goodbye."""
    length = rng.choice((0, 1, 15, LONGEST + 1, 0x7FFFFFFF, 0xFFFFFFFF))
    words = struct.pack(">IIII", length, rng.choice([*CommandId]), 0, FAR) + rng.randbytes(rng.randrange(100))
    return rng.choice((words, words, pdu.unbind(FAR), b"HTTP/1.1 400 Bad Request\r\n\r\n"))


class Far:
    """An SMSC that takes messages, and brings receipts again until it is told that they are kept."""

    def __init__(self) -> None:
        self.binds = 0
        self.kept: dict[int, int] = {}
        self.taken: list[str] = []
        self._guest: EsmeConnection | None = None
        self._lock = threading.Lock()

    def __call__(self, esme: EsmeConnection) -> None:
        esme.welcome()
        with self._lock:
            self._guest = esme
            self.binds += 1
        while True:
            command, status, sequence, _ = esme.read()
            if command == CommandId.SUBMIT_SM:
                self.taken.append(f"m{len(self.taken) + 1}")
                twice = pdu.submit_sm_resp(sequence, "twice") + pdu.submit_sm_resp(sequence, "", CommandStatus.RSYSERR)
                self._write(esme, pdu.submit_sm_resp(sequence, self.taken[-1]) + twice)
            elif command == CommandId.DELIVER_SM_RESP and status == 0:
                self.kept[sequence] = status
            elif command == CommandId.ENQUIRE_LINK:
                self._write(esme, pdu.enquire_link_resp(sequence))

    def say(self, octets: bytes) -> None:
        """Say this, if it is bound."""
        if self._guest:
            try:
                self._write(self._guest, octets)
            except OSError:
                time.sleep(0.005)

    def bring(self, sequence: int, id_: str) -> None:
        """Bring a receipt until it is kept."""
        body = spoken(RECEIPT.format(id_).encode(), esm_class=4)
        brought, binds = False, 0

        def is_kept() -> bool:
            nonlocal brought, binds
            if not brought or binds != self.binds:
                brought, binds = True, self.binds
                self.say(pdu.deliver_sm(sequence, body))
            return sequence in self.kept

        until(is_kept)

    def _write(self, esme: EsmeConnection, octets: bytes) -> None:
        with self._lock:
            esme.say(octets)


@pytest.mark.fuzz
def test_mutated_pdus_on_a_bind_do_not_prevent_messages_and_receipts_from_being_processed(world: World) -> None:
    far, count = Far(), rounds(360)
    with seeded() as rng, smsc(far) as port:
        given = {"host": "127.0.0.1", "port": port, "system_id": "acme", "enquire_link": 1, "reconnect_pause": 20}
        world.run(
            "UPDATE carriers SET kind = 'smpp', settings = %(s)s::jsonb WHERE name = 'alpha'", s=json.dumps(given)
        )
        carrier = keep_connected(world.rt, "alpha", partial(handle_events, world.rt, "alpha"))
        until(lambda: far.binds == 1)
        breaks = 0
        for batch in range(count // BATCH):
            world.send()
            until(lambda batch=batch: len(far.taken) == batch + 1)  # type: ignore[misc]
            far.say(b"".join(whole(rng) for _ in range(BATCH)))
            far.bring(batch + 1, far.taken[-1])
            assert far.binds == breaks + 1
            if batch % 5 == 4:
                # it carried a good PDU: it is bound again at once, and not after 20 s
                far.say(broken(rng))
                breaks += 1
                until(lambda breaks=breaks: far.binds == breaks + 1)  # type: ignore[misc]
        settle(world.rt)
        sessions = [keeper.session for keeper in carrier._binds.keepers]  # type: ignore[union-attr]
        left = [len(session._framer._rest) for session in sessions if session]
        world.rt.close()

    assert world.rows("SELECT status, count(*) FROM messages GROUP BY 1") == [("delivered", count // BATCH)]
    assert world.rows("SELECT DISTINCT outcome FROM provider_attempts") == ["accepted"]
    assert max(left, default=0) <= LONGEST


def says(octets: bytes, at: list[float]) -> Callable[[EsmeConnection], None]:
    def behaviour(esme: EsmeConnection) -> None:
        at.append(time.monotonic())
        esme.welcome()
        esme.say(octets)
        esme.read()
        esme.say(b"\xff" * 32)
        esme.read()

    return behaviour


def test_a_bind_broken_after_a_valid_receipt_reconnects_at_once_and_without_one_after_a_pause(
    client: Clients,
) -> None:
    good, bad = Listener(), Listener()
    at: tuple[list[float], list[float]] = ([], [])
    receipt = pdu.deliver_sm(7, spoken(RECEIPT.format("m1").encode(), esm_class=4))
    nameless = pdu.deliver_sm(7, spoken(b"stat:DELIVRD", esm_class=4))

    with smsc(says(receipt, at[0])) as one, smsc(says(nameless, at[1])) as other:
        client(other, reconnect_pause=60).listen(bad)
        client(one, reconnect_pause=60).listen(good)
        until(lambda: len(at[0]) >= 6)
        client.close()

    assert set(good.ids) == {"m1"}
    # a second try at once, then a rest of 30 s at least
    assert len(at[1]) <= 2
