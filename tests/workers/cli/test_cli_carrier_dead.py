"""`postroad carrier dead`: receipts and PDUs of carriers that could not be read."""

import json
from contextlib import closing
from uuid import uuid4

import pytest

from pipeline.runtime import Runtime
from pipeline.stages import dead_letters
from schema.dead_letter import DeadLetter
from schema.vocabulary import DeadLetterSource
from tests.workers.cli.conftest import Shell
from workers.server_urls import with_local_servers

POST = b'{"msisdn": "491701234567", "state": "teleported", "at": "2026-11-21"}'


@pytest.fixture
def kept(shell: Shell) -> Shell:
    """A shell of an installation in which two posts and a PDU were set aside."""
    shell.set(SECRET_KEY="a secret of these tests, long enough")
    letters = [
        DeadLetter(DeadLetterSource.RECEIPT, "vg", "unreadable_post", POST),
        DeadLetter(DeadLetterSource.RECEIPT, "ib", "unknown_status", b"{}"),
        DeadLetter(DeadLetterSource.SMPP, "op", "unreadable", b"\x00\x01"),
    ]
    with closing(Runtime(with_local_servers())) as rt:
        dead_letters.keep(rt, letters)
    return shell


def listed(shell: Shell, *options: str) -> list[dict[str, str]]:
    said = shell("carrier", "dead", "list", "--json", *options)
    assert said.code == 0, said.err
    return list(json.loads(said.out))


def test_dead_letters_are_listed_without_their_content(kept: Shell) -> None:
    words = kept("carrier", "dead", "list").out

    assert [(row["origin"], row["reason"]) for row in listed(kept)] == [
        ("ib", "unknown_status"),
        ("vg", "unreadable_post"),
    ]
    assert [row["origin"] for row in listed(kept, "--smpp")] == ["op"]
    assert "unreadable_post" in words
    assert "teleported" not in words


def test_a_dead_letter_is_shown_with_masked_numbers_or_raw(kept: Shell) -> None:
    post = listed(kept)[1]["id"]

    masked, raw = (kept("carrier", "dead", "show", post, *options).out.strip() for options in ((), ("--raw",)))

    assert masked == '{"msisdn": "4917........", "state": "teleported", "at": "2026-11-21"}'
    assert raw == POST.decode()


def test_dropped_dead_letters_are_still_counted(kept: Shell) -> None:
    post = listed(kept)[1]["id"]

    one, all_ = kept("carrier", "dead", "drop", post), kept("carrier", "dead", "drop", "--all")

    assert (one.out, all_.out) == ("1 removed\n", "1 removed\n")
    assert listed(kept) == []
    assert len(listed(kept, "--smpp")) == 1
    with closing(Runtime(with_local_servers())) as rt:
        assert {row["origin"] for row in dead_letters.counts(rt)} == {"vg", "ib", "op"}


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (["show", str(uuid4())], "no dead letter"),
        (["show", "x"], "is not a valid UUID"),
        (["drop"], "give either a dead letter's id, or --all"),
        (["drop", str(uuid4()), "--all"], "give either a dead letter's id, or --all"),
    ],
)
def test_an_unknown_or_invalid_dead_letter_id_is_a_usage_error(kept: Shell, asked: list[str], words: str) -> None:
    said = kept("carrier", "dead", *asked)

    assert said.code == 2
    assert words in said.err
