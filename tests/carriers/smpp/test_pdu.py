"""SMPP PDUs, compared with octets of other implementations: smpplib 2.2.4, smpp34 1.5.0, smpp.pdu3 0.6."""

from itertools import cycle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.carriers.smpp import pdu
from pipeline.carriers.smpp.codes import RESPONSE, WORDS, CommandId, CommandStatus, Tag, name, word
from pipeline.carriers.smpp.framer import Frame, Framer, ProtocolFault
from pipeline.carriers.smpp.pdu import BindPdu, Queried, address, c_octets, message, tlv

unhurried = settings(deadline=None, max_examples=100)
octets = st.binary(max_size=300)
ascii_text = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E))

POSTROAD = address("source_addr", 5, 0, "Postroad")
PHONE = address("destination_addr", 1, 1, "31612345678")

WRITTEN = {
    "smpplib bind_transceiver": (
        pdu.bind(CommandId.BIND_TRANSCEIVER, 7, BindPdu("postroad", "secret", "VMA", 0x34, 1, 1, "^31")),
        "0000002b000000090000000000000007706f7374726f61640073656372657400564d41003401015e333100",
    ),
    "smpplib and smpp34 submit_sm": (
        pdu.submit_sm(
            7,
            message(
                POSTROAD,
                PHONE,
                b"hello",
                registered_delivery=1,
                validity=c_octets("validity_period", "000000010000000R", 17),
                service_type=c_octets("service_type", "CMT", 6),
                tlvs=tlv(Tag.USER_MESSAGE_REFERENCE, b"\1\2"),
            ),
        ),
        (
            "00000052000000040000000000000007434d54000500506f7374726f6164000101333136313233343536373800000000003030303030"
            "303031303030303030305200010000000568656c6c6f020400020102"
        ),
    ),
    "smpplib submit_sm with sar": (
        pdu.submit_sm(
            7,
            message(
                POSTROAD,
                PHONE,
                bytes.fromhex("044f"),
                data_coding=8,
                tlvs=tlv(Tag.SAR_MSG_REF_NUM, b"\2\1")
                + tlv(Tag.SAR_TOTAL_SEGMENTS, b"\2")
                + tlv(Tag.SAR_SEGMENT_SEQNUM, b"\1"),
            ),
        ),
        (
            "00000046000000040000000000000007000500506f7374726f616400010133313631323334353637380000000000000000080002044f"
            "020c00020201020e000102020f000101"
        ),
    ),
    "smpplib submit_sm with message_payload": (
        pdu.submit_sm(7, message(address("source_addr", 3, 0, "60555"), PHONE, b"", tlvs=tlv(0x0424, b"hello"))),
        (
            "0000003a0000000400000000000000070003003630353535000101333136313233343536373800000000000000000000000424000568"
            "656c6c6f"
        ),
    ),
    "smpplib query_sm": (
        pdu.query_sm(7, "abc", address("source_addr", 1, 1, "316")),
        "0000001a00000003000000000000000761626300010133313600",
    ),
    "smpplib enquire_link": (pdu.enquire_link(7), "00000010000000150000000000000007"),
    "smpplib unbind": (pdu.unbind(7), "00000010000000060000000000000007"),
    "smpp.pdu3 submit_sm_resp": (pdu.submit_sm_resp(7, "abc"), "0000001480000004000000000000000761626300"),
    "smpp.pdu3 submit_sm_resp that refuses": (
        pdu.submit_sm_resp(7, "", CommandStatus.RTHROTTLED),
        "00000010800000040000005800000007",
    ),
    "smpp.pdu3 bind_transceiver_resp": (
        pdu.bind_resp(CommandId.BIND_TRANSCEIVER, 7, "smsc"),
        "0000001a800000090000000000000007736d7363000210000134",
    ),
    "smpp.pdu3 query_sm_resp": (
        pdu.query_sm_resp(7, Queried("abc", "", 2, 0)),
        "0000001780000003000000000000000761626300000200",
    ),
    "smpp.pdu3 generic_nack": (pdu.generic_nack(7, CommandStatus.RINVCMDID), "00000010800000000000000300000007"),
    "smpp.pdu3 deliver_sm_resp": (pdu.deliver_sm_resp(7), "0000001180000005000000000000000700"),
    "smpp.pdu3 outbind": (pdu.outbind(7, "smsc", "pw"), "000000180000000b0000000000000007736d736300707700"),
}


@pytest.mark.parametrize("case", WRITTEN)
def test_a_pdu_that_we_write_has_the_octets_of_other_implementations(case: str) -> None:
    ours, theirs = WRITTEN[case]

    assert ours.hex() == theirs


def test_a_deliver_sm_of_smpplib_and_smpp34_is_read() -> None:
    body = only(
        "000000540000000500000000000000070001013331363132333435363738000500506f7374726f6164000400000000000000"
        "001369643a61626320737461743a44454c495652440427000102001e000461626300"
    )

    events = pdu.read_message(body)

    assert (events.source_ton, events.source_npi, events.source) == (1, 1, "31612345678")
    assert (events.destination_ton, events.destination_npi, events.destination) == (5, 0, "Postroad")
    assert (events.esm_class, events.data_coding, events.registered_delivery) == (4, 0, 0)
    assert events.text == b"id:abc stat:DELIVRD"
    assert events.tlvs == {Tag.MESSAGE_STATE: b"\2", Tag.RECEIPTED_MESSAGE_ID: b"abc\0"}


def test_a_text_in_message_payload_is_read_as_the_text() -> None:
    # smpp34's
    body = only(
        "000000420000000500000000000000080001013331363132333435363738000500506f7374726f61640040000000000000080000"
        "0424000a050003070201006a0061"
    )

    assert pdu.read_message(body).text == bytes.fromhex("050003070201006a0061")


def test_a_data_sm_of_smpp_pdu_is_read() -> None:
    body = only(
        "0000004b000001030000000000000007434d540001013331363132333435363738000500506f737400040000042400136964"
        "3a61626320737461743a44454c49565244001e000461626300"
    )

    events = pdu.read_data_sm(body)

    assert (events.service_type, events.source, events.destination, events.esm_class) == (
        "CMT",
        "31612345678",
        "Post",
        4,
    )
    assert events.text == b"id:abc stat:DELIVRD"


def test_bind_outbind_query_sm_and_response_pdus_are_read_back_as_written() -> None:
    who = BindPdu("postroad", "secret", "VMA", 0x34, 1, 2, "^31")
    answer = Queried("abc", "261122043100000+", 2, 5)

    assert pdu.read_bind(only(pdu.bind(CommandId.BIND_RECEIVER, 7, who).hex())) == who
    assert pdu.read_outbind(only(pdu.outbind(7, "smsc", "pw").hex())) == BindPdu("smsc", "pw")
    assert pdu.read_query(only(pdu.query_sm(7, "abc", PHONE).hex())) == ("abc", "31612345678")
    assert pdu.read_query_resp(only(pdu.query_sm_resp(7, answer).hex())) == answer
    assert pdu.read_bind_resp(only(pdu.bind_resp(CommandId.BIND_RECEIVER, 7, "smsc").hex())) == ("smsc", 0x34)
    assert pdu.read_submit_resp(only(pdu.data_sm_resp(7, "abc").hex())) == "abc"


@unhurried
@given(
    esm_class=st.integers(0, 255),
    data_coding=st.integers(0, 255),
    registered=st.integers(0, 255),
    protocol=st.integers(0, 255),
    priority=st.integers(0, 255),
    text=st.binary(min_size=1, max_size=254),
    source=ascii_text.filter(lambda text: len(text) <= 20),
    destination=ascii_text.filter(lambda text: len(text) <= 20),
    service=ascii_text.filter(lambda text: len(text) <= 5),
    validity=ascii_text.filter(lambda text: len(text) <= 16),
    tlvs=st.dictionaries(st.integers(0, 0xFFFF), octets, max_size=4),
)
def test_any_submit_sm_is_read_back_as_it_was_written(
    esm_class: int,
    data_coding: int,
    registered: int,
    protocol: int,
    priority: int,
    text: bytes,
    source: str,
    destination: str,
    service: str,
    validity: str,
    tlvs: dict[int, bytes],
) -> None:
    body = message(
        address("source_addr", 5, 0, source),
        address("destination_addr", 1, 1, destination),
        text,
        esm_class=esm_class,
        data_coding=data_coding,
        registered_delivery=registered,
        validity=c_octets("validity_period", validity, 17),
        service_type=c_octets("service_type", service, 6),
        protocol_id=protocol,
        priority=priority,
        tlvs=b"".join(tlv(tag, value) for tag, value in tlvs.items()),
    )

    [(command, status, sequence, read)] = Framer().feed(pdu.submit_sm(9, body))

    assert (command, status, sequence, read) == (CommandId.SUBMIT_SM, 0, 9, body)
    assert pdu.read_message(read) == pdu.MessagePdu(
        5, 0, source, 1, 1, destination, esm_class, registered, data_coding, text, tlvs, service, protocol, priority,
        "", validity,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("body", "message_id"),
    [("", ""), ("00", ""), ("61626300", "abc"), ("616263", "abc"), ("6162630000", "abc"), ("e900", "é")],
)
def test_a_submit_sm_resp_is_read_with_and_without_the_terminator_of_its_message_id(body: str, message_id: str) -> None:
    assert pdu.read_submit_resp(bytes.fromhex(body)) == message_id


def test_a_bind_resp_without_body_is_read() -> None:
    assert pdu.read_bind_resp(b"") == ("", None)
    assert pdu.read_bind_resp(b"smsc") == ("smsc", None)


def test_truncated_and_repeated_tlvs_are_ignored() -> None:
    whole = tlv(Tag.MESSAGE_STATE, b"\2")

    assert pdu.read_tlvs(whole + tlv(Tag.RECEIPTED_MESSAGE_ID, b"A3005\0")[:-2]) == {Tag.MESSAGE_STATE: b"\2"}
    assert pdu.read_tlvs(whole + b"\0") == {Tag.MESSAGE_STATE: b"\2"}
    assert pdu.read_tlvs(whole + tlv(Tag.MESSAGE_STATE, b"\5")) == {Tag.MESSAGE_STATE: b"\2"}


@pytest.mark.parametrize("cut", range(27))
def test_a_message_pdu_truncated_within_its_mandatory_fields_is_refused(cut: int) -> None:
    body = message(address("source_addr", 1, 1, "1234"), address("destination_addr", 1, 1, "5678"), b"hello")
    assert len(body) > 27

    with pytest.raises(ValueError, match=r"mandatory fields|sm_length"):
        pdu.read_message(body[:cut])


@pytest.mark.parametrize(
    ("text", "why"),
    [("a" * 21, "at most 20"), ("a\0b", "printable ASCII"), ("a\r\nb", "printable ASCII"), ("é", "printable ASCII")],
)
def test_an_invalid_address_is_refused_with_the_name_of_its_field_and_not_quoted(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=f"source_addr must .*{why}") as refused:
        address("source_addr", 1, 1, text)

    assert text not in str(refused.value)


def test_fields_out_of_their_range_or_length_are_refused() -> None:
    with pytest.raises(ValueError, match="source_addr_ton"):
        address("source_addr", 256, 1, "1")
    with pytest.raises(ValueError, match="short_message"):
        message(POSTROAD, PHONE, b"a" * 255)
    with pytest.raises(ValueError, match="0x0424"):
        tlv(Tag.MESSAGE_PAYLOAD, b"a" * 65536)
    with pytest.raises(ValueError, match="password"):
        pdu.bind(CommandId.BIND_TRANSMITTER, 1, BindPdu("postroad", "x" * 256))


def test_the_repr_of_a_pdu_contains_no_number_no_text_and_no_password() -> None:
    events = pdu.read_message(message(POSTROAD, PHONE, b"my secret", tlvs=tlv(0x1400, b"my secret")))

    assert "3161" not in repr(events)
    assert "secret" not in repr(events)
    assert "pass" not in repr(BindPdu("postroad", "pass", "")).replace("password", "")


def test_the_framer_returns_the_same_pdus_for_any_chunk_size_of_the_stream() -> None:
    frames = [pdu.enquire_link(1), pdu.submit_sm_resp(2, "abc"), pdu.unbind(3), pdu.submit_sm(4, b"\0" * 5000)]
    stream = b"".join(frames)

    for size in (1, 2, 3, 15, 16, 17, 31, 1000, len(stream)):
        framer = Framer()
        found: list[Frame] = []
        for at in range(0, len(stream), size):
            found += framer.feed(stream[at : at + size])

        assert [sequence for _, _, sequence, _ in found] == [1, 2, 3, 4]
        assert found[1] == (CommandId.SUBMIT_SM_RESP, 0, 2, b"abc\0")
        assert framer.feed(b"") == []


@unhurried
@given(st.lists(st.binary(max_size=60), max_size=8), st.lists(st.integers(1, 50), min_size=1, max_size=10))
def test_any_chunking_of_the_stream_gives_the_same_frames(bodies: list[bytes], sizes: list[int]) -> None:
    stream = b"".join(pdu.pdu(CommandId.DATA_SM, number, body) for number, body in enumerate(bodies))
    framer, found, cuts = Framer(), list[Frame](), cycle(sizes)

    while stream:
        size = next(cuts)
        found += framer.feed(stream[:size])
        stream = stream[size:]

    assert found == [(CommandId.DATA_SM, 0, number, body) for number, body in enumerate(bodies)]


@pytest.mark.parametrize("length", [0, 15, 68 * 1024 + 1, 0x47455420, 0xFFFFFFFF])
def test_an_invalid_command_length_ends_the_stream_and_keeps_the_complete_pdus_before_it(length: int) -> None:
    framer = Framer()
    whole = pdu.submit_sm_resp(1, "abc")
    bad = length.to_bytes(4, "big") + pdu.enquire_link(2)[4:]

    with pytest.raises(ProtocolFault, match=f"{length} octets") as fault:
        framer.feed(whole + bad)

    assert fault.value.frames == [(CommandId.SUBMIT_SM_RESP, 0, 1, b"abc\0")]
    with pytest.raises(ProtocolFault) as again:
        framer.feed(pdu.enquire_link(3))
    assert again.value.frames == []


READERS = (
    pdu.read_message,
    pdu.read_data_sm,
    pdu.read_submit_resp,
    pdu.read_bind,
    pdu.read_bind_resp,
    pdu.read_outbind,
    pdu.read_query,
    pdu.read_query_resp,
    pdu.read_tlvs,
)


@unhurried
@given(octets)
def test_any_octets_are_read_as_a_pdu_body_or_refused_with_a_value_error(junk: bytes) -> None:
    for reader in READERS:
        try:
            reader(junk)
        except ValueError:
            continue


@unhurried
@given(st.lists(octets, max_size=5))
def test_any_stream_is_framed_or_ends_with_a_protocol_fault(chunks: list[bytes]) -> None:
    framer = Framer()
    try:
        for chunk in chunks:
            framer.feed(chunk)
    except ProtocolFault:
        return


def test_every_command_status_and_command_id_has_a_name() -> None:
    assert set(WORDS) == set(CommandStatus)
    assert word(0x58) == "ESME_RTHROTTLED"
    assert word(0x400) == "0x00000400"
    assert name(CommandId.SUBMIT_SM | RESPONSE) == "submit_sm_resp"
    assert name(0x10203) == "0x00010203"


def only(hexadecimal: str) -> bytes:
    """Return the body of the only frame."""
    [(_, _, _, body)] = Framer().feed(bytes.fromhex(hexadecimal))
    return body
