"""submit_sm: the exact outcome of a message, whatever the SMSC does."""

import time
from threading import Event, Lock, Thread

import pytest

from pipeline.carriers.smpp import pdu
from pipeline.carriers.smpp.codes import SEQUENCE_MAX, CommandId, CommandStatus
from pipeline.carriers.smpp.submit_exchange import OUTCOMES, WAITS
from schema.carriage import Attempt, Parcel
from schema.message_class import MessageClass
from schema.vocabulary import Encoding, Outcome
from tests.carriers.conformance import parcel, refs
from tests.carriers.raw import reset
from tests.carriers.smpp.peer import Clients, EsmeConnection, smsc

ACCEPTED, UNKNOWN, NOT_WRITTEN = Outcome.ACCEPTED, Outcome.UNKNOWN, Outcome.NOT_WRITTEN
PERMANENT, TRANSIENT = Outcome.REFUSED_PERMANENT, Outcome.REFUSED_TRANSIENT


def words(attempts: list[Attempt]) -> list[tuple[Outcome, str | None]]:
    return [(attempt.outcome, attempt.code) for attempt in attempts]


def long(body: str = "x" * 400) -> Parcel:
    return parcel(body, encoding=Encoding.GSM7, segments=3)


def test_responses_out_of_order_are_matched_to_their_messages(client: Clients) -> None:
    def behaviour(esme: EsmeConnection) -> None:
        esme.welcome()
        while True:
            submits = [esme.submit() for _ in range(10)]
            for _, _, sequence, body in reversed(submits):
                esme.say(pdu.submit_sm_resp(sequence, pdu.read_message(body).destination[-2:]))

    with smsc(behaviour) as port:
        parcels = [parcel(to=f"+491701234{n:03}") for n in range(50)]
        attempts = client(port, window=20).send(parcels)
        client.close()

    assert refs(attempts) == refs(parcels)
    assert [attempt.carrier_ref for attempt in attempts] == [f"{n:02}" for n in range(50)]


def test_otp_messages_overtake_waiting_bulk_messages_and_keep_their_order(client: Clients) -> None:
    came: list[str] = []
    code_waits, go_on = Event(), Event()

    def behaviour(esme: EsmeConnection) -> None:
        esme.welcome()
        while True:
            _, _, sequence, body = esme.submit()
            came.append(pdu.read_message(body).destination[-2:])
            code_waits.set()
            assert go_on.wait(10)
            esme.say(pdu.submit_sm_resp(sequence, "m"))

    with smsc(behaviour) as port:
        carrier = client(port, window=1, deadline=15, call_deadline=40)
        campaign = Thread(target=carrier.send, args=([parcel(to=f"+4917012340{n}") for n in range(10, 20)],))
        campaign.start()
        assert code_waits.wait(10)
        codes = []
        for number in (91, 92):
            code = parcel(to=f"+4917012340{number}", message_class=MessageClass.OTP)
            codes.append(Thread(target=carrier.send, args=([code],)))
            codes[-1].start()
            time.sleep(0.2)  # behind one another
        go_on.set()
        for thread in (campaign, *codes):
            thread.join()
        client.close()

    assert came == ["10", "91", "92", *(str(n) for n in range(11, 20))]


def test_without_responses_one_window_is_unknown_and_enquire_link_is_sent_before_another(client: Clients) -> None:
    seen = []

    def behaviour(esme: EsmeConnection) -> None:
        esme.welcome()
        while True:
            seen.append(esme.read()[0])

    with smsc(behaviour) as port:
        began = time.monotonic()
        attempts = client(port, window=5, deadline=0.5, call_deadline=3).send([parcel() for _ in range(20)])
        took = time.monotonic() - began
        client.close()

    assert words(attempts)[:5] == [(UNKNOWN, "timeout")] * 5
    assert {outcome for outcome, _ in words(attempts)[5:]} <= {UNKNOWN, NOT_WRITTEN}
    assert took < 6
    # a new bind is a new chance, of which one window is risked
    binds = seen.count(CommandId.BIND_TRANSMITTER) + 1
    assert seen.count(CommandId.SUBMIT_SM) <= 5 * (binds + 3)
    assert seen[5] == CommandId.ENQUIRE_LINK


def test_when_responses_stop_within_a_window_enquire_link_is_sent_before_another_window(client: Clients) -> None:
    seen = []

    def behaviour(esme: EsmeConnection) -> None:
        esme.welcome()
        sequences = [esme.submit()[2] for _ in range(5)]
        time.sleep(0.003)
        esme.say(b"".join(pdu.submit_sm_resp(sequence, "taken") for sequence in sequences[:3]))
        while True:
            seen.append(esme.read()[0])

    with smsc(behaviour) as port:
        attempts = client(port, window=5, deadline=0.5, call_deadline=3).send([parcel() for _ in range(20)])
        client.close()

    assert words(attempts)[3:8] == [(UNKNOWN, "timeout")] * 5
    # beside the three that followed at once, the places of two whose time was over while younger ones were in flight
    assert seen.index(CommandId.ENQUIRE_LINK) <= 3 + 2


def test_messages_in_flight_on_a_reset_connection_are_unknown_and_the_rest_use_the_next(
    client: Clients,
) -> None:
    guests = []

    def behaviour(esme: EsmeConnection) -> None:
        guests.append(esme)
        esme.welcome()
        if len(guests) == 1:
            for _ in range(5):
                esme.submit()
            reset(esme.socket)
        else:
            esme.serve()

    with smsc(behaviour) as port:
        attempts = client(port, window=5).send([parcel() for _ in range(20)])
        client.close()

    assert words(attempts) == [(UNKNOWN, "reset")] * 5 + [(ACCEPTED, None)] * 15


def test_a_message_in_flight_when_the_smsc_closes_the_connection_is_unknown(client: Clients) -> None:
    def behaviour(esme: EsmeConnection) -> None:
        esme.welcome()
        esme.submit()

    with smsc(behaviour) as port:
        [attempt] = client(port).send([parcel()])
        client.close()

    assert words([attempt]) == [(UNKNOWN, "closed")]


@pytest.mark.parametrize(
    "garbage",
    [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\0\0\0\x0f" + b"\0" * 12, b"\xff" * 64],
    ids=["http", "too short", "too long"],
)
def test_an_unreadable_stream_ends_the_bind_and_messages_in_flight_are_unknown(client: Clients, garbage: bytes) -> None:
    def behaviour(esme: EsmeConnection) -> None:
        esme.welcome()
        esme.submit()
        esme.say(garbage)
        esme.read()

    with smsc(behaviour) as port:
        [attempt] = client(port).send([parcel()])
        client.close()

    assert words([attempt]) == [(UNKNOWN, "unreadable")]


def test_responses_before_unreadable_octets_are_processed(client: Clients) -> None:
    def behaviour(esme: EsmeConnection) -> None:
        esme.welcome()
        first, second = esme.submit(), esme.submit()
        esme.say(pdu.submit_sm_resp(first[2], "m1") + b"\xff" * 32)
        esme.read()
        assert second

    with smsc(behaviour) as port:
        attempts = client(port).send([parcel(), parcel()])
        client.close()

    assert words(attempts) == [(ACCEPTED, None), (UNKNOWN, "unreadable")]


def test_an_unbind_of_the_smsc_is_answered_and_messages_in_flight_are_unknown(client: Clients) -> None:
    events = []

    def behaviour(esme: EsmeConnection) -> None:
        esme.welcome()
        for _ in range(3):
            esme.submit()
        esme.say(pdu.unbind(7))
        events.append(esme.read())

    with smsc(behaviour) as port:
        attempts = client(port, window=3).send([parcel() for _ in range(3)])
        client.close()

    assert words(attempts) == [(UNKNOWN, "unbound")] * 3
    assert events[0][:3] == (CommandId.UNBIND_RESP, 0, 7)


def test_a_submit_sm_resp_that_arrives_byte_by_byte_is_read(client: Clients) -> None:
    def behaviour(esme: EsmeConnection) -> None:
        esme.welcome()
        while True:
            for octet in pdu.submit_sm_resp(esme.submit()[2], "drop-by-drop"):
                esme.say(bytes((octet,)))
                time.sleep(0.002)

    with smsc(behaviour) as port:
        attempts = client(port).send([parcel(), parcel()])
        client.close()

    assert [attempt.carrier_ref for attempt in attempts] == ["drop-by-drop"] * 2


@pytest.mark.parametrize("status", sorted(WAITS))
def test_a_throttled_submit_sm_is_submitted_again_unchanged_after_a_pause(client: Clients, status: int) -> None:
    bodies, at = [], []

    def behaviour(esme: EsmeConnection) -> None:
        esme.welcome()
        while True:
            _, _, sequence, body = esme.submit()
            bodies.append(body)
            at.append(time.monotonic())
            esme.say(pdu.submit_sm_resp(sequence, "m", status if len(bodies) < 3 else 0))

    with smsc(behaviour) as port:
        attempts = client(port, window=1, call_deadline=20).send([parcel()])
        client.close()

    assert words(attempts) == [(ACCEPTED, None)]
    assert bodies[0] == bodies[1] == bodies[2]
    # first alone, then with the window
    assert at[1] - at[0] > 0.005
    assert at[2] - at[1] > 0.09


@pytest.mark.parametrize("status", sorted(WAITS))
@pytest.mark.parametrize(("every", "window"), [(2, 1), (3, 1), (50, 1), (50, 50), (7, 20)])
def test_a_throttled_message_waits_by_itself(client: Clients, status: int, every: int, window: int) -> None:
    came: list[str] = []

    def behaviour(esme: EsmeConnection) -> None:
        esme.welcome()
        while True:
            _, _, sequence, body = esme.submit()
            came.append(pdu.read_message(body).destination[-3:])
            esme.say(pdu.submit_sm_resp(sequence, "m", 0 if len(came) % every else status))

    with smsc(behaviour) as port:
        parcels = [parcel(to=f"+491701234{n:03}") for n in range(100)]
        # what is throttled would wait longer than the call has: it comes back at once, and is told when to come again
        attempts = client(port, window=window, throttle_pause=60, call_deadline=8.5).send(parcels)
        client.close()

    refused, taken = (TRANSIENT, "throttled"), (ACCEPTED, None)
    assert words(attempts) == [taken if n % every else refused for n in range(1, 101)]
    assert came == [f"{n:03}" for n in range(100)]


def test_a_throttled_otp_message_waits_by_itself_and_is_submitted_before_the_rest(client: Clients) -> None:
    came: list[str] = []

    def behaviour(esme: EsmeConnection) -> None:
        esme.welcome()
        while True:
            _, _, sequence, body = esme.submit()
            came.append(pdu.read_message(body).destination[-2:])
            is_throttled = came.count("99") == 1 and came[-1] == "99"
            esme.say(pdu.submit_sm_resp(sequence, "m", CommandStatus.RTHROTTLED if is_throttled else 0))

    with smsc(behaviour) as port:
        carrier = client(port, window=1, throttle_pause=0.05, call_deadline=20)
        code = parcel(to="+491701234599", message_class=MessageClass.OTP)
        [first] = carrier.send([code])
        attempts = carrier.send([parcel(to=f"+4917012345{n}") for n in range(10, 20)])
        client.close()

    assert words([first, *attempts]) == [(ACCEPTED, None)] * 11
    assert came == ["99", "99", *map(str, range(10, 20))]


def test_a_carrier_that_throttles_everything_is_retried_with_exponential_backoff(client: Clients) -> None:
    at: list[float] = []

    def behaviour(esme: EsmeConnection) -> None:
        esme.welcome()
        while True:
            sequence = esme.submit()[2]
            at.append(time.monotonic())
            esme.say(pdu.submit_sm_resp(sequence, "", CommandStatus.RTHROTTLED))

    with smsc(behaviour) as port:
        settings = {"window": 50, "throttle_pause": 0.2, "deadline": 1, "call_deadline": 4}
        attempts = client(port, **settings).send([parcel() for _ in range(1000)])
        client.close()

    assert {outcome for outcome, _ in words(attempts)} == {TRANSIENT}
    # what was in flight when it was known, then one at a time: after 0.2 s, 0.4 s, 0.8 s, 1.6 s
    assert len(at) <= 2 * 50 + 5


def test_a_long_message_can_probe_whether_a_throttled_carrier_accepts_again(client: Clients) -> None:
    count = []

    def behaviour(esme: EsmeConnection) -> None:
        esme.welcome()
        while True:
            count.append(esme.submit()[2])
            esme.say(pdu.submit_sm_resp(count[-1], "m", CommandStatus.RTHROTTLED if len(count) <= 3 else 0))

    with smsc(behaviour) as port:
        attempts = client(port, window=3, call_deadline=20).send([long(), long()])
        client.close()

    assert [attempt.outcome for attempt in attempts] == [ACCEPTED] * 2


def test_sending_resumes_after_the_throttle_pause(client: Clients) -> None:
    def behaviour(esme: EsmeConnection) -> None:
        esme.welcome()
        while True:
            for status in (CommandStatus.RTHROTTLED, CommandStatus.ROK):
                esme.say(pdu.submit_sm_resp(esme.submit()[2], "m", status))

    deadline = 10
    with smsc(behaviour) as port:
        began = time.monotonic()
        settings = {"window": 1, "throttle_pause": 0.01, "deadline": deadline, "call_deadline": 60}
        attempts = client(port, **settings).send([parcel() for _ in range(50)])
        took = time.monotonic() - began
        client.close()

    assert words(attempts) == [(ACCEPTED, None)] * 50
    assert took < deadline


def test_throttled_messages_are_refused_at_once_when_the_pause_exceeds_the_call_deadline(client: Clients) -> None:
    def behaviour(esme: EsmeConnection) -> None:
        esme.welcome()
        while True:
            esme.say(pdu.submit_sm_resp(esme.submit()[2], "", CommandStatus.RTHROTTLED))

    with smsc(behaviour) as port:
        began = time.monotonic()
        attempts = client(port, window=2, throttle_pause=30, call_deadline=30).send([parcel() for _ in range(9)])
        took = time.monotonic() - began
        client.close()

    assert words(attempts) == [(TRANSIENT, "throttled")] * 9
    # two say that it is so, and another may have been in flight
    reported = [attempt.detail for attempt in attempts].count("ESME_RTHROTTLED")
    assert 2 <= reported <= 3
    assert all(20 < (attempt.retry_after or 0) <= 30 for attempt in attempts)
    assert took < 20


def test_a_message_throttled_until_the_call_deadline_is_refused_transiently(client: Clients) -> None:
    def behaviour(esme: EsmeConnection) -> None:
        esme.welcome()
        while True:
            esme.say(pdu.submit_sm_resp(esme.submit()[2], "", CommandStatus.RMSGQFUL))

    with smsc(behaviour) as port:
        attempts = client(port, deadline=0.5, call_deadline=1.5).send([parcel()])
        client.close()

    assert words(attempts) == [(TRANSIENT, "throttled")]
    assert attempts[0].detail == "ESME_RMSGQFUL"
    assert (attempts[0].retry_after or 0) >= 0.1


def test_each_command_status_has_its_outcome_and_code(client: Clients) -> None:
    def behaviour(esme: EsmeConnection) -> None:
        esme.welcome()
        while True:
            _, _, sequence, body = esme.submit()
            esme.say(pdu.submit_sm_resp(sequence, "", int(pdu.read_message(body).destination[-5:])))

    statuses = [status for status in CommandStatus if status and status not in WAITS]
    with smsc(behaviour) as port:
        attempts = client(port).send([parcel(to=f"+49170{status:05}") for status in [*statuses, 0x400]])
        client.close()

    expected = [(OUTCOMES[status], f"ESME_{status.name}") for status in statuses]
    assert words(attempts) == [*expected, (TRANSIENT, "0x00000400")]


def test_the_table_of_command_statuses_is_complete() -> None:
    assert set(OUTCOMES) == set(CommandStatus) - {CommandStatus.ROK}
    assert {OUTCOMES[status] for status in WAITS} == {TRANSIENT}


def test_the_refusals_setting_overrides_the_outcome_of_a_command_status(client: Clients) -> None:
    answers = {"1": iter([0x400, 0x400, 0]), "2": iter([0x401]), "3": iter([CommandStatus.RTHROTTLED])}

    def behaviour(esme: EsmeConnection) -> None:
        esme.welcome()
        while True:
            _, _, sequence, body = esme.submit()
            esme.say(pdu.submit_sm_resp(sequence, "m", next(answers[pdu.read_message(body).destination[-1]])))

    meanings = {"0x400": "wait", "0x0401": "refused_permanent", "0x58": "refused_transient"}
    with smsc(behaviour) as port:
        carrier = client(port, window=1, refusals=meanings, call_deadline=20)
        attempts = carrier.send([parcel(to=f"+49170123456{n}") for n in (1, 2, 3)])
        client.close()

    assert words(attempts) == [(ACCEPTED, None), (PERMANENT, "0x00000401"), (TRANSIENT, "ESME_RTHROTTLED")]


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (CommandStatus.RINVCMDLEN, (TRANSIENT, "ESME_RINVCMDLEN")),
        (CommandStatus.RINVCMDID, (TRANSIENT, "ESME_RINVCMDID")),
        (CommandStatus.ROK, (UNKNOWN, "generic_nack")),
    ],
)
def test_a_generic_nack_is_a_refusal_unless_its_command_status_is_ok(
    client: Clients, status: CommandStatus, expected: tuple[Outcome, str]
) -> None:
    def behaviour(esme: EsmeConnection) -> None:
        esme.welcome()
        esme.say(pdu.generic_nack(esme.submit()[2], status))
        esme.read()

    with smsc(behaviour) as port:
        attempts = client(port).send([parcel()])
        client.close()

    assert words(attempts) == [expected]


def test_only_the_first_response_to_a_submit_sm_counts_and_stray_responses_are_ignored(client: Clients) -> None:
    def behaviour(esme: EsmeConnection) -> None:
        esme.welcome()
        while True:
            sequence = esme.submit()[2]
            stray = pdu.submit_sm_resp(sequence + 1000, "stray") + pdu.pdu(CommandId.QUERY_SM_RESP, sequence, b"x\0")
            twice = pdu.submit_sm_resp(sequence, "first") + pdu.submit_sm_resp(sequence, "", CommandStatus.RSYSERR)
            esme.say(stray + twice)

    with smsc(behaviour) as port:
        attempts = client(port, window=1).send([parcel() for _ in range(5)])
        client.close()

    assert [attempt.carrier_ref for attempt in attempts] == ["first"] * 5


def test_a_response_with_a_wrong_sequence_number_is_ignored(client: Clients) -> None:
    def behaviour(esme: EsmeConnection) -> None:
        esme.welcome()
        while True:
            esme.say(pdu.submit_sm_resp(esme.submit()[2] + 5, "lost"))

    with smsc(behaviour) as port:
        attempts = client(port, deadline=0.5).send([parcel()])
        client.close()

    assert words(attempts) == [(UNKNOWN, "timeout")]


def test_a_submit_sm_resp_without_a_message_id_means_accepted(client: Clients) -> None:
    def behaviour(esme: EsmeConnection) -> None:
        esme.welcome()
        while True:
            esme.say(pdu.pdu(CommandId.SUBMIT_SM_RESP, esme.submit()[2]))

    with smsc(behaviour) as port:
        [attempt] = client(port).send([parcel()])
        client.close()

    assert (attempt.outcome, attempt.carrier_ref) == (ACCEPTED, None)


def test_a_late_answer_is_returned_by_query(client: Clients) -> None:
    late = Event()

    def behaviour(esme: EsmeConnection) -> None:
        esme.welcome()
        sequences = [esme.submit()[2], esme.submit()[2], esme.submit()[2]]
        command, _, sequence, _ = esme.read()
        esme.answer(command, sequence)
        esme.say(pdu.submit_sm_resp(sequences[0], "late") + pdu.submit_sm_resp(sequences[1], "", CommandStatus.RSYSERR))
        late.set()
        esme.serve()

    with smsc(behaviour) as port:
        carrier = client(port, doubt="queryable", deadline=1.5)
        parcels = [parcel(), parcel(), parcel()]
        attempts = carrier.send(parcels)
        late.wait(20)
        time.sleep(0.3)
        answers = carrier.query(parcels, [None] * 3)
        [after] = carrier.send([parcel()])
        client.close()

    assert words(attempts) == [(UNKNOWN, "timeout")] * 3
    assert words(answers) == [(ACCEPTED, None), (NOT_WRITTEN, "ESME_RSYSERR"), (UNKNOWN, "no_id")]
    assert answers[0].carrier_ref == "late"
    assert after.outcome is ACCEPTED


def test_a_late_answer_to_one_attempt_is_not_returned_for_the_next_attempt(client: Clients) -> None:
    late = Event()

    def behaviour(esme: EsmeConnection) -> None:
        esme.welcome()
        sequence = esme.submit()[2]
        command, _, link, _ = esme.read()
        esme.answer(command, link)
        esme.say(pdu.submit_sm_resp(sequence, "", CommandStatus.RSYSERR))
        late.set()
        while True:
            esme.submit()

    with smsc(behaviour) as port:
        carrier = client(port, doubt="queryable", deadline=0.3)
        one = parcel()
        carrier.send([one])
        late.wait(20)
        time.sleep(0.3)
        before = carrier.query([one], [None])
        again = carrier.send([one])
        after = carrier.query([one], [None])
        client.close()

    assert words(before) == [(NOT_WRITTEN, "ESME_RSYSERR")]
    assert words(again) == [(UNKNOWN, "timeout")]
    assert words(after) == [(UNKNOWN, "no_id")]


def test_sequence_numbers_wrap_around_and_skip_those_in_flight(client: Clients) -> None:
    sequences = []

    def behaviour(esme: EsmeConnection) -> None:
        esme.welcome()
        held = [esme.submit()[2]]
        for _ in range(6):
            sequences.append(esme.submit()[2])
            esme.say(pdu.submit_sm_resp(sequences[-1], "m"))
        esme.say(pdu.submit_sm_resp(held[0], "held"))
        esme.serve()

    with smsc(behaviour) as port:
        carrier = client(port, window=2)
        thread = Thread(target=carrier.send, args=([parcel()],))
        thread.start()
        while carrier.binds()["open"] < 1:
            time.sleep(0.005)
        session = carrier._binds and carrier._binds.keepers[0].session
        assert session
        session._sequence = SEQUENCE_MAX - 2
        attempts = carrier.send([parcel() for _ in range(6)])
        thread.join()
        client.close()

    assert [attempt.outcome for attempt in attempts] == [ACCEPTED] * 6
    # 1 was the bind's, and 2 is in flight
    assert sequences == [SEQUENCE_MAX - 1, SEQUENCE_MAX, 1, 3, 4, 5]


def test_a_long_message_is_accepted_when_each_part_is_accepted(client: Clients) -> None:
    with smsc(lambda esme: esme.serve()) as port:
        [attempt] = client(port).send([long()])
        client.close()

    assert (attempt.outcome, attempt.carrier_ref, attempt.parts) == (ACCEPTED, "m2", ("m2", "m3", "m4"))


PARTS = {
    "one refused": ([0, 8, 0], (UNKNOWN, "partial"), 2),
    "all refused": ([8, 0x0B, 8], (PERMANENT, "ESME_RINVDSTADR"), 0),
    "all refused for now": ([8, 8, 8], (TRANSIENT, "ESME_RSYSERR"), 0),
    "one without an answer": ([0, 0, None], (UNKNOWN, "partial"), 2),
    "refused and without an answer": ([8, None, 8], (UNKNOWN, "timeout"), 0),
}


@pytest.mark.parametrize(("statuses", "expected", "taken"), PARTS.values(), ids=PARTS)
def test_the_outcome_of_a_long_message_follows_from_the_responses_to_its_parts(
    client: Clients, statuses: list[int | None], expected: tuple[Outcome, str], taken: int
) -> None:
    def behaviour(esme: EsmeConnection) -> None:
        esme.welcome()
        for status in statuses:
            sequence = esme.submit()[2]
            if status is not None:
                esme.say(pdu.submit_sm_resp(sequence, "m", status))
        esme.read()

    with smsc(behaviour) as port:
        [attempt] = client(port, deadline=0.5).send([long()])
        client.close()

    assert words([attempt]) == [expected]
    assert (attempt.carrier_ref, len(attempt.parts)) == (None, taken)


def test_no_further_part_of_a_message_is_sent_after_one_is_refused(client: Clients) -> None:
    count = []

    def behaviour(esme: EsmeConnection) -> None:
        esme.welcome()
        while True:
            count.append(esme.submit()[2])
            esme.say(pdu.submit_sm_resp(count[-1], "", CommandStatus.RINVDSTADR))

    with smsc(behaviour) as port:
        attempts = client(port, window=1).send([long(), parcel()])
        client.close()

    assert words(attempts) == [(PERMANENT, "ESME_RINVDSTADR")] * 2
    assert len(count) == 2


def test_a_long_message_with_more_parts_than_the_window_is_accepted(client: Clients) -> None:
    with smsc(lambda esme: esme.serve()) as port:
        attempts = client(port, window=2).send([parcel(), long(), long(), parcel()])
        client.close()

    assert [attempt.outcome for attempt in attempts] == [ACCEPTED] * 4


UNFIT = {
    "a sender no handset shows": parcel(sender="far too long a name"),
    "a sender with a line in it": parcel(sender="A\nB"),
    "a recipient that is no number": parcel(to="nobody"),
    "a body that its encoding cannot spell": parcel("жук", encoding=Encoding.GSM7),
}


@pytest.mark.parametrize("unfit", UNFIT.values(), ids=UNFIT)
def test_a_message_that_does_not_fit_a_submit_sm_is_refused_and_the_others_are_sent(
    client: Clients, unfit: Parcel
) -> None:
    with smsc(lambda esme: esme.serve()) as port:
        attempts = client(port).send([parcel(), unfit, parcel()])
        client.close()

    assert words(attempts) == [(ACCEPTED, None), (PERMANENT, "unfit"), (ACCEPTED, None)]


def test_concurrent_calls_share_one_window(client: Clients) -> None:
    peak, lock = [0], Lock()

    def behaviour(esme: EsmeConnection) -> None:
        esme.welcome()
        esme.socket.settimeout(10)
        while True:
            batch = [esme.submit()[2]]
            with lock:
                peak[0] = max(peak[0], len(esme._frames) + 1)
            esme.say(b"".join(pdu.submit_sm_resp(sequence, f"m{sequence}") for sequence in batch))

    with smsc(behaviour) as port:
        carrier = client(port, window=10, deadline=5)
        results: list[list[Attempt]] = []
        parcels = [[parcel() for _ in range(40)] for _ in range(8)]
        threads = [Thread(target=lambda mine=mine: results.append(carrier.send(mine))) for mine in parcels]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        client.close()

    assert {attempt.outcome for attempts in results for attempt in attempts} == {ACCEPTED}
    assert sorted(str(refs(attempts)) for attempts in results) == sorted(str(refs(mine)) for mine in parcels)
    assert len({attempt.carrier_ref for attempts in results for attempt in attempts}) == 320
    assert peak[0] <= 10


def test_at_the_call_deadline_messages_in_flight_are_unknown_and_the_rest_not_written(client: Clients) -> None:
    def behaviour(esme: EsmeConnection) -> None:
        esme.welcome()
        while True:
            command, _, sequence, _ = esme.read()
            esme.answer(command, sequence)

    with smsc(behaviour) as port:
        began = time.monotonic()
        attempts = client(port, window=2, deadline=1, call_deadline=2.9).send([parcel() for _ in range(20)])
        took = time.monotonic() - began
        client.close()

    assert took < 5
    assert words(attempts) == [(UNKNOWN, "timeout")] * 4 + [(NOT_WRITTEN, "no_time")] * 16


def test_query_sm_reports_whether_the_smsc_has_a_message_and_is_not_sent_without_a_valid_id(client: Clients) -> None:
    asked = []

    def behaviour(esme: EsmeConnection) -> None:
        esme.welcome()
        while True:
            command, _, sequence, body = esme.read()
            if command == CommandId.QUERY_SM:
                message_id, _ = pdu.read_query(body)
                asked.append(message_id)
                status = CommandStatus.RQUERYFAIL if message_id == "gone" else CommandStatus.ROK
                esme.say(pdu.query_sm_resp(sequence, pdu.Queried(message_id, "", 2, 0), status))
            else:
                esme.answer(command, sequence)

    with smsc(behaviour) as port:
        carrier = client(port, doubt="queryable")
        answers = carrier.query([parcel() for _ in range(4)], ["kept", "gone", None, "x" * 256])
        client.close()

    assert asked == ["kept", "gone"]
    expected = [(ACCEPTED, None), (UNKNOWN, "ESME_RQUERYFAIL"), (UNKNOWN, "no_id"), (UNKNOWN, "no_id")]
    assert words(answers) == expected
    assert answers[0].carrier_ref == "kept"


def test_the_repr_of_a_refused_attempt_contains_no_number_no_sender_and_no_text(client: Clients) -> None:
    def behaviour(esme: EsmeConnection) -> None:
        esme.welcome()
        esme.say(pdu.submit_sm_resp(esme.submit()[2], "", CommandStatus.RINVDSTADR))
        esme.read()

    with smsc(behaviour) as port:
        carrier = client(port)
        attempts = carrier.send([parcel("sesame", to="+491709876543")])
        attempts += carrier.send([parcel("sesame", to="+491709876543", sender="nine nine nine nine")])
        client.close()

    assert "sesame" not in repr(attempts)
    assert "709876543" not in repr(attempts)
    assert "nine" not in repr(attempts)
