"""Submit notes: what may have been submitted and what was not, whatever the SMSC does."""

from queue import Queue

from pipeline.carriers.contract import STOPPED, MaySubmit
from pipeline.carriers.smpp import pdu
from pipeline.carriers.smpp.codes import CommandStatus
from schema.carriage import Attempt, Parcel
from schema.vocabulary import Encoding, Outcome
from tests.carriers.conformance import Noted, parcel
from tests.carriers.raw import reset
from tests.carriers.smpp.peer import Clients, EsmeConnection, smsc


class Live(Noted):
    """Notes whose every change can be waited for."""

    def __init__(self, may_submit: MaySubmit | None = None) -> None:
        super().__init__(may_submit)
        self.changes: Queue[tuple[str, int]] = Queue()

    def submitting(self, place: int) -> None:
        super().submitting(place)
        self.changes.put(("submitting", place))

    def unsubmitted(self, place: int) -> None:
        super().unsubmitted(place)
        self.changes.put(("unsubmitted", place))

    def answered(self, place: int, attempt: Attempt) -> None:
        super().answered(place, attempt)
        self.changes.put(("answered", place))

    def all(self) -> list[tuple[str, int]]:
        """Return the changes so far."""
        return [self.changes.get_nowait() for _ in range(self.changes.qsize())]


def long(parts: int = 3) -> Parcel:
    return parcel("x" * 150 * parts, encoding=Encoding.GSM7, segments=parts)


def test_a_message_is_noted_as_submitting_before_its_submit_sm_is_sent(client: Clients) -> None:
    notes = Live()
    seen: list[int] = []

    def behaviour(esme: EsmeConnection) -> None:
        esme.welcome()
        while True:
            _, _, sequence, _ = esme.submit()
            seen.append(len(notes.handed))
            esme.say(pdu.submit_sm_resp(sequence, "m"))

    with smsc(behaviour) as port:
        carrier = client(port, window=1)
        carrier.send_noting([parcel() for _ in range(5)], notes)
        client.close()

    assert seen == [1, 2, 3, 4, 5]
    assert notes.all() == [(word, place) for place in range(5) for word in ("submitting", "answered")]


def test_a_throttled_message_is_noted_as_unsubmitted_until_it_is_submitted_again(client: Clients) -> None:
    def behaviour(esme: EsmeConnection) -> None:
        esme.welcome()
        _, _, sequence, _ = esme.submit()
        esme.say(pdu.submit_sm_resp(sequence, "", CommandStatus.RTHROTTLED))
        esme.serve()

    notes = Live()
    with smsc(behaviour) as port:
        [attempt] = client(port).send_noting([parcel()], notes)
        client.close()

    assert attempt.outcome is Outcome.ACCEPTED
    assert notes.all() == [("submitting", 0), ("unsubmitted", 0), ("submitting", 0), ("answered", 0)]


def test_a_long_message_with_an_accepted_part_is_never_noted_as_unsubmitted(client: Clients) -> None:
    def behaviour(esme: EsmeConnection) -> None:
        esme.welcome()
        sequences = [esme.submit()[2] for _ in range(3)]
        throttled = [pdu.submit_sm_resp(sequence, "", CommandStatus.RTHROTTLED) for sequence in sequences[1:]]
        esme.say(pdu.submit_sm_resp(sequences[0], "m0") + b"".join(throttled))
        esme.serve()

    notes = Live()
    with smsc(behaviour) as port:
        [attempt] = client(port).send_noting([long()], notes)
        client.close()

    assert (attempt.outcome, len(attempt.parts)) == (Outcome.ACCEPTED, 3)
    assert "unsubmitted" not in {word for word, _ in notes.all()}


def test_a_long_message_with_all_parts_throttled_is_noted_as_unsubmitted(client: Clients) -> None:
    def behaviour(esme: EsmeConnection) -> None:
        esme.welcome()
        sequences = [esme.submit()[2] for _ in range(3)]
        # in one piece: the first is submitted again within milliseconds
        esme.say(b"".join(pdu.submit_sm_resp(sequence, "", CommandStatus.RMSGQFUL) for sequence in sequences))
        esme.serve()

    notes = Live()
    with smsc(behaviour) as port:
        [attempt] = client(port).send_noting([long()], notes)
        client.close()

    assert attempt.outcome is Outcome.ACCEPTED
    assert [word for word, _ in notes.all()].count("unsubmitted") == 1


def test_messages_without_a_response_on_a_broken_bind_are_noted_as_unknown(client: Clients) -> None:
    def behaviour(esme: EsmeConnection) -> None:
        esme.welcome()
        esme.submit()
        reset(esme.socket)

    notes = Live()
    with smsc(behaviour) as port:
        attempts = client(port, window=2, deadline=1, call_deadline=2).send_noting([parcel() for _ in range(6)], notes)
        client.close()

    assert Outcome.UNKNOWN in {attempt.outcome for attempt in attempts}
    unknown = {place for place, attempt in enumerate(attempts) if attempt.outcome is Outcome.UNKNOWN}
    assert set(notes.handed) == unknown
    assert [notes.answers[place] for place in range(6)] == attempts


def test_messages_that_were_never_submitted_are_not_noted_as_submitting(client: Clients) -> None:
    def behaviour(esme: EsmeConnection) -> None:
        esme.welcome()
        while True:
            esme.submit()

    notes = Live()
    with smsc(behaviour) as port:
        attempts = client(port, window=2, deadline=0.3, call_deadline=0.5).send_noting(
            [parcel() for _ in range(6)], notes
        )
        client.close()

    assert [attempt.outcome for attempt in attempts] == [Outcome.UNKNOWN] * 2 + [Outcome.NOT_WRITTEN] * 4
    assert set(notes.handed) == {0, 1}


def test_all_parts_of_a_message_follow_its_first_while_no_other_message_may_be_submitted(client: Clients) -> None:
    asked: list[int] = []

    def may_submit(place: int) -> bool:
        asked.append(place)
        return asked == [0]

    def behaviour(esme: EsmeConnection) -> None:
        esme.welcome()
        esme.serve()

    notes = Live(may_submit)
    with smsc(behaviour) as port:
        attempts = client(port, window=1).send_noting([long(), long(), parcel()], notes)
        client.close()

    assert [attempt.outcome for attempt in attempts] == [Outcome.ACCEPTED] + [Outcome.NOT_WRITTEN] * 2
    assert len(attempts[0].parts) == 3
    assert {attempt.code for attempt in attempts[1:]} == {STOPPED}
    assert set(notes.handed) == {0}


def test_a_throttled_message_that_may_not_be_submitted_again_counts_as_not_submitted(client: Clients) -> None:
    is_open = [True]

    def behaviour(esme: EsmeConnection) -> None:
        esme.welcome()
        sequences = [esme.submit()[2] for _ in range(4)]
        is_open.clear()
        esme.say(b"".join(pdu.submit_sm_resp(sequence, "", CommandStatus.RTHROTTLED) for sequence in sequences))
        esme.serve()

    notes = Live(lambda _: bool(is_open))
    with smsc(behaviour) as port:
        attempts = client(port, window=4).send_noting([long(), parcel()], notes)
        client.close()

    assert {(attempt.outcome, attempt.code) for attempt in attempts} == {(Outcome.NOT_WRITTEN, STOPPED)}
    assert notes.out == set()


def test_a_message_that_does_not_fit_a_submit_sm_is_refused_and_not_noted_as_submitting(client: Clients) -> None:
    def behaviour(esme: EsmeConnection) -> None:
        esme.welcome()
        esme.serve()

    notes = Live()
    with smsc(behaviour) as port:
        attempts = client(port).send_noting([parcel(), parcel(sender="x" * 80), parcel()], notes)
        client.close()

    assert [attempt.outcome for attempt in attempts] == [
        Outcome.ACCEPTED,
        Outcome.REFUSED_PERMANENT,
        Outcome.ACCEPTED,
    ]
    assert set(notes.handed) == {0, 2}
