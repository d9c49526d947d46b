"""Dead letters: input that could not be read is counted and stored encrypted, within bounds."""

from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from typing import Any

import pytest
from pydantic import SecretStr

from pipeline.errors import Conflict, NotFound
from pipeline.rules.identity import ids
from pipeline.runtime import Runtime
from pipeline.settings import Settings
from pipeline.stages import dead_letters
from pipeline.stages.hourly_maintenance import maintain
from pipeline.store import dead_letters as store
from schema.dead_letter import DeadLetter
from schema.vocabulary import DeadLetterSource

BROKER, SMPP = DeadLetterSource.BROKER, DeadLetterSource.SMPP


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"secret_key": SecretStr("a secret of these tests, long enough")})


@pytest.fixture
def keyless(settings: Settings) -> Iterator[Runtime]:
    with closing(Runtime(settings.model_copy(update={"secret_key": SecretStr("")}))) as rt:
        yield rt


def letter(payload: bytes = b"x", *, source: DeadLetterSource = BROKER, reason: str = "not_json") -> DeadLetter:
    return DeadLetter(source, "ingest", reason, payload)


def sealed(rt: Runtime) -> list[Any]:
    with rt.begin() as conn:
        return list(conn.exec_driver_sql("SELECT sealed FROM dead_letters ORDER BY id").scalars())


def test_a_dead_letter_is_counted_stored_encrypted_and_decrypted_again(rt: Runtime) -> None:
    dead_letters.keep(rt, [letter(b"to +2348012345678"), letter(b"y", source=SMPP)])

    [listed] = dead_letters.listed(rt, BROKER, 10)
    shown = dead_letters.shown(rt, BROKER, listed["id"])

    assert (listed["origin"], listed["reason"], listed["size"]) == ("ingest", "not_json", 17)
    assert shown is not None
    assert shown["payload"] == b"to +2348012345678"
    assert not any(b"8012345678" in each for each in sealed(rt))
    assert dead_letters.shown(rt, SMPP, listed["id"]) is None
    assert [(row["source"], row["letters"]) for row in dead_letters.counts(rt)] == [("broker", 1), ("smpp", 1)]


def test_a_message_is_put_into_its_queue_as_it_was_received_and_its_letter_is_deleted(rt: Runtime) -> None:
    dead_letters.keep(rt, [letter(b"to +2348012345678")])
    [listed] = dead_letters.listed(rt, BROKER, 10)
    put: list[tuple[str, bytes]] = []

    queue = dead_letters.requeue(rt, listed["id"], lambda queue, message: put.append((queue, message)))

    assert (queue, put) == ("ingest", [("ingest", b"to +2348012345678")])
    assert dead_letters.listed(rt, BROKER, 10) == []
    assert [row["letters"] for row in dead_letters.counts(rt)] == [1]
    with pytest.raises(NotFound):
        dead_letters.requeue(rt, listed["id"], lambda *_: None)


def test_a_message_stays_a_dead_letter_when_the_broker_takes_it_not_or_it_is_not_whole(
    rt: Runtime, keyless: Runtime
) -> None:
    def refuse(_queue: str, _message: bytes) -> None:
        raise Conflict("full")

    dead_letters.keep(rt, [letter(b"whole"), letter(b"x" * (store.LARGEST + 1))])
    dead_letters.keep(keyless, [letter(b"not kept")])

    for each in dead_letters.listed(rt, BROKER, 10):
        with pytest.raises(Conflict):
            dead_letters.requeue(rt, each["id"], refuse if each["size"] == 5 else lambda *_: None)

    assert len(dead_letters.listed(rt, BROKER, 10)) == 3


def test_each_source_keeps_its_latest_dead_letters_and_counts_all(rt: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "KEPT", 3)
    dead_letters.keep(rt, [letter(b"other", source=SMPP)])

    for batch in range(3):
        letters = [letter(b"%d" % (batch * 5 + each)) for each in range(5)]
        with rt.begin() as conn:  # a moment apart: of one millisecond the ids tell no order
            store.add(conn, rt.vault, ids.new_ids(rt.now() + timedelta(milliseconds=batch), 0), letters)

    kept = [dead_letters.shown(rt, BROKER, row["id"]) for row in dead_letters.listed(rt, BROKER, 100)]
    assert [row and row["payload"] for row in kept] == [b"14", b"13", b"12"]
    assert len(dead_letters.listed(rt, SMPP, 100)) == 1
    assert {row["source"]: row["letters"] for row in dead_letters.counts(rt)} == {"broker": 15, "smpp": 1}


def test_only_the_beginning_of_a_large_dead_letter_is_stored(rt: Runtime) -> None:
    dead_letters.keep(rt, [letter(b"z" * 10_000_000)])

    [listed] = dead_letters.listed(rt, BROKER, 1)
    shown = dead_letters.shown(rt, BROKER, listed["id"])

    assert listed["size"] == 10_000_000
    assert shown is not None
    assert shown["payload"] == b"z" * store.LARGEST


def test_without_a_secret_key_the_content_of_a_dead_letter_is_not_stored(keyless: Runtime) -> None:
    dead_letters.keep(keyless, [letter()])

    [listed] = dead_letters.listed(keyless, BROKER, 1)

    assert sealed(keyless) == [None]
    assert dead_letters.shown(keyless, BROKER, listed["id"]) == {**listed, "payload": None}


def test_dropped_dead_letters_are_deleted_and_still_counted(rt: Runtime) -> None:
    dead_letters.keep(rt, [letter(), letter(), letter(source=SMPP)])
    first = dead_letters.listed(rt, BROKER, 1)[0]["id"]

    assert dead_letters.drop(rt, BROKER, first) == 1
    assert dead_letters.drop(rt, BROKER, first) == 0
    assert dead_letters.drop(rt, BROKER, None) == 1
    assert [row["source"] for row in dead_letters.listed(rt, SMPP, 10)] == ["smpp"]
    assert sum(row["letters"] for row in dead_letters.counts(rt)) == 3


def test_dead_letters_are_deleted_after_the_configured_days(rt: Runtime) -> None:
    long_ago = rt.now() - timedelta(days=rt.settings.dead_letter_days, minutes=1)
    with rt.begin() as conn:
        store.add(conn, rt.vault, ids.new_ids(long_ago, 0), [letter(b"old")])
    dead_letters.keep(rt, [letter(b"new")])

    maintain(rt)

    [left] = dead_letters.listed(rt, BROKER, 10)
    assert left["size"] == 3
    assert left["received_at"] is not None
    shown = dead_letters.shown(rt, BROKER, left["id"])
    assert shown is not None
    assert shown["payload"] == b"new"
