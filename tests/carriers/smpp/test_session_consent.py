"""Opt-outs by SMPP: from a deliver_sm on the socket to the send permission."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import pytest

from pipeline.carriers.smpp import pdu
from pipeline.carriers.smpp.codes import Tag
from pipeline.carriers.smpp.text_encoding import UDHI
from pipeline.rules.text import gsm7
from pipeline.stages import inbound
from schema.carriage import CarrierEvents
from tests.carriers.smpp.peer import Clients, EsmeConnection, smsc
from tests.carriers.smpp.test_session_deliver_sm import until
from tests.world import World

MOBILE, SENDER = "+447400123126", "+447700900100"
UCS2 = 8
#: what one connection says: (sequence number, body of a deliver_sm), and whether it waits for each answer
Script = tuple[Sequence[tuple[int, bytes]], str]


@pytest.fixture(autouse=True)
def long_number(world: World) -> None:
    """The world's account has a number that can be written to."""
    world.run("INSERT INTO sender_ids (account_id, sender) VALUES (%(id)s, %(n)s)", id=world.account, n=SENDER)


def text(words: bytes, source: tuple[int, str] = (1, MOBILE[1:]), **more: Any) -> bytes:
    ton, digits = source
    destination = pdu.address("destination_addr", 1, 1, SENDER[1:])
    return pdu.message(pdu.address("source_addr", ton, 1, digits), destination, words, **more)


def bring(world: World, client: Clients, *scripts: Script, **settings: Any) -> list[str]:
    """Let an SMSC play a script at each connection; return what was kept, in the order in which it came."""
    played: list[int] = []
    left: Iterator[Script] = iter(scripts)

    def behaviour(esme: EsmeConnection) -> None:
        esme.welcome()
        said, how = next(left, ((), "waits"))
        for sequence, body in said:
            esme.say(pdu.deliver_sm(sequence, body))
            if how == "waits":
                esme.read()
        if how == "bursts":
            for _ in said:
                esme.read()
        played.append(1)
        if how == "drops":
            until(kept)
            esme.socket.close()
            return
        esme.serve()

    def kept() -> list[str]:
        bodies: list[str] = world.rows("SELECT body FROM inbound_messages ORDER BY received_at")
        return bodies

    def listener(events: CarrierEvents) -> None:
        inbound.keep(world.rt, events.inbound)

    with smsc(behaviour) as port:
        client(port, **settings).listen(listener)
        until(lambda: len(played) == len(scripts))
        client.close()
    client.made.clear()
    return kept()


def is_out(world: World, *numbers: str) -> bool:
    """Let what was kept be heeded; tell whether none of these numbers may be written to any more."""
    while inbound.reply(world.rt):
        inbound.replied(world.rt, [id_ for id_, _ in inbound.reply(world.rt)])
    answer = world.submit(world.order(*numbers or [MOBILE], sender=SENDER))[0]
    return {each.code for each in answer.refusals} == {"opted_out"} and not answer.batches


stop, start = text(b"STOP"), text(b"START")


@pytest.mark.parametrize("how", ["waits", "bursts"])
@pytest.mark.parametrize("numbers", [(1, 2, 3), (7, 7, 7)], ids=["numbered", "all under one number"])
def test_stop_start_and_stop_again_are_three_messages(
    world: World, client: Clients, how: str, numbers: Sequence[int]
) -> None:
    assert bring(world, client, (list(zip(numbers, (stop, start, stop), strict=True)), how)) == [
        "STOP",
        "START",
        "STOP",
    ]
    assert is_out(world)


@pytest.mark.parametrize("sequence", [1, 9])
def test_an_unanswered_deliver_sm_is_a_duplicate_when_it_is_delivered_again(
    world: World, client: Clients, sequence: int
) -> None:
    assert bring(world, client, ([(1, start)], "drops"), ([(sequence, start)], "waits")) == ["START"]


@pytest.mark.parametrize("esm_class", [0x04, 0x08, 0x10], ids=["receipt", "delivery", "user"])
def test_a_stop_opts_out_with_any_esm_class(world: World, client: Clients, esm_class: int) -> None:
    assert bring(world, client, ([(1, text(b"Stop!", esm_class=esm_class))], "waits")) == ["Stop!"]
    assert is_out(world)


def test_a_stop_to_a_destination_in_national_format_opts_out(world: World, client: Clients) -> None:
    source, destination = (
        pdu.address("source_addr", 2, 1, "07400123126"),
        pdu.address("destination_addr", 2, 1, "07700900100"),
    )
    bring(world, client, ([(1, pdu.message(source, destination, b"STOP"))], "waits"), home_country="GB")

    assert is_out(world)


def test_within_a_bind_an_equal_deliver_sm_under_a_passed_sequence_number_is_a_duplicate(
    world: World, client: Clients
) -> None:
    assert bring(world, client, ([(1, start), (2, stop), (1, start)], "waits")) == ["START", "STOP"]
    assert is_out(world)


def test_an_unanswered_start_delivered_again_does_not_revoke_a_later_stop(world: World, client: Clients) -> None:
    assert bring(world, client, ([(1, start)], "drops"), ([(1, stop), (2, start)], "waits")) == ["START", "STOP"]
    assert is_out(world)


def test_a_duplicate_of_the_latest_message_of_a_handset_is_recognised_by_the_next_process(
    world: World, client: Clients
) -> None:
    assert bring(world, client, ([(1, stop)], "waits")) == ["STOP"]
    assert bring(world, client, ([(1, stop)], "waits")) == ["STOP"]
    assert bring(world, client, ([(1, start), (2, stop)], "waits")) == ["STOP", "START", "STOP"]
    assert is_out(world)


def test_equal_texts_under_different_sequence_numbers_are_two_messages(world: World, client: Clients) -> None:
    bring(world, client, ([(1, text(b"ok"))], "waits"))
    world.run("UPDATE inbound_messages SET received_at = received_at - interval '6 minutes'")

    assert bring(world, client, ([(1, text(b"ok")), (2, text(b"ok"))], "waits"))[1:] == ["ok", "ok"]


SPELLINGS = {
    "national": (2, "07400123126"),
    "national, without its 0": (2, "7400123126"),
    "nothing said, 00": (0, "00447400123126"),
    "nothing said, a plus": (0, "+447400123126"),
    "nothing said, national": (0, "07400123126"),
    "international, 00": (1, "00447400123126"),
    "international, and national": (1, "07400123126"),
    "subscriber": (4, "07400123126"),
    "a name": (5, "447400123126"),
}


@pytest.mark.parametrize("source", SPELLINGS.values(), ids=SPELLINGS)
def test_a_stop_opts_out_in_each_spelling_of_its_source_addr(
    world: World, client: Clients, source: tuple[int, str]
) -> None:
    bring(world, client, ([(1, text(b"STOP", source))], "waits"), home_country="GB")

    assert is_out(world)
    assert world.rows("SELECT phone FROM opt_outs") == [MOBILE]


def test_a_stop_from_an_old_number_format_opts_out_the_current_format_too(world: World, client: Clients) -> None:
    bring(world, client, ([(1, text(b"STOP", (1, "5215512345678"))), (2, text(b"STOP", (0, "551187654321")))], "waits"))

    assert is_out(world, "+525512345678", "+5511987654321", "+551187654321")


CODED = {
    "GSM-7": (b"STOP", 0),
    "UCS-2": ("Stop".encode("utf-16-be"), 8),
    "UCS-2 of a message class": ("Stop".encode("utf-16-be"), 0x18),
    "UCS-2 to be deleted": ("Stop".encode("utf-16-be"), 0x48),
    "UCS-2 turned round": ("Stop".encode("utf-16-le"), 8),
    "ASCII that is called UCS-2": (b"STOP", 8),
    "UCS-2 that is called GSM-7": ("Stop".encode("utf-16-be"), 0),
    "Latin-1 that is called GSM-7": ("Arrêt".encode("latin-1"), 0),
    "UTF-8 that is called GSM-7": ("Arrêt".encode(), 0),
    "octets": (b"stop", 4),
    "Cyrillic": ("СТОП".encode("iso8859-5"), 6),
}


@pytest.mark.parametrize(("octets", "coding"), CODED.values(), ids=CODED)
def test_a_stop_opts_out_in_any_coding(world: World, client: Clients, octets: bytes, coding: int) -> None:
    bring(world, client, ([(1, text(octets, data_coding=coding))], "waits"))

    assert is_out(world)


def by_header(ref: int, of: int, part: int, octets: bytes, coding: int = UCS2) -> bytes:
    head = bytes((5, 0, 3, ref & 0xFF, of, part))
    return text(head + octets, esm_class=UDHI, data_coding=coding)


def by_long_header(ref: int, of: int, part: int, octets: bytes, coding: int = UCS2) -> bytes:
    head = bytes((6, 8, 4, ref >> 8, ref & 0xFF, of, part))
    return text(head + octets, esm_class=UDHI, data_coding=coding)


def by_parameters(ref: int, of: int, part: int, octets: bytes, coding: int = UCS2, payload: bool = False) -> bytes:
    tlvs = pdu.tlv(Tag.SAR_MSG_REF_NUM, ref.to_bytes(2, "big")) + pdu.tlv(Tag.SAR_TOTAL_SEGMENTS, bytes((of,)))
    tlvs += pdu.tlv(Tag.SAR_SEGMENT_SEQNUM, bytes((part,)))
    if payload:
        return text(b"", data_coding=coding, tlvs=tlvs + pdu.tlv(Tag.MESSAGE_PAYLOAD, octets))
    return text(octets, data_coding=coding, tlvs=tlvs)


JOINTS: dict[str, Callable[..., bytes]] = {
    "header of 8 bits": by_header,
    "header of 16 bits": by_long_header,
    "parameters": by_parameters,
    "parameters and payload": partial(by_parameters, payload=True),
}


@pytest.mark.parametrize("joint", JOINTS.values(), ids=JOINTS)
def test_the_octets_of_message_parts_are_joined_before_they_are_decoded(
    world: World, client: Clients, joint: Callable[..., bytes]
) -> None:
    pair, escape = "so 👍 far".encode("utf-16-be"), gsm7.encode("it is 5€")
    parts = [
        joint(7, 2, 2, pair[8:]), joint(7, 2, 1, pair[:8]), joint(7, 2, 1, pair[:8]),
        joint(8, 2, 1, escape[:-1], coding=0), joint(8, 2, 2, escape[-1:], coding=0),
    ]  # fmt: skip

    bring(world, client, (list(enumerate(parts, start=1)), "waits"))
    inbound.reply(world.rt)

    assert [row["body"] for row in receive_listing(world)] == ["it is 5€", "so 👍 far"]
    assert world.rows("SELECT count(*) FROM inbound_messages WHERE octets IS NOT NULL OR handled_at IS NULL") == [0]


def test_message_parts_received_by_two_binds_are_joined(world: World, client: Clients) -> None:
    whole = "STOP 👍".encode("utf-16-be")

    bring(
        world,
        client,
        ([(1, by_header(7, 2, 1, whole[:12]))], "waits"),
        ([(1, by_header(7, 2, 2, whole[12:]))], "waits"),
        binds=2,
    )

    assert is_out(world)
    assert [row["body"] for row in receive_listing(world)] == ["STOP 👍"]


def test_a_stop_with_missing_parts_opts_out_after_the_reassembly_timeout(world: World, client: Clients) -> None:
    bring(
        world,
        client,
        ([(1, by_header(7, 3, 1, b"STOP texting me", coding=0)), (2, by_header(7, 3, 3, b"!", coding=0))], "waits"),
    )
    assert not is_out(world)

    world.run("UPDATE inbound_messages SET received_at = received_at - interval '11 minutes' WHERE part = 1")

    assert is_out(world)
    assert [row["body"] for row in receive_listing(world)] == ["STOP texting me[…]!"]


def receive_listing(world: World) -> list[dict[str, Any]]:
    from pipeline.store.consent import inbound

    with world.rt.begin() as conn:
        return inbound.listing(conn, None, world.rt.now().replace(year=2020), 10)
