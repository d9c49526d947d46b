"""`postroad carrier dead`: what carriers sent that could not be read."""

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


def test_what_was_set_aside_is_listed_without_its_content(kept: Shell) -> None:
    words = kept("carrier", "dead", "list").out

    assert [(row["origin"], row["reason"]) for row in listed(kept)] == [
        ("ib", "unknown_status"),
        ("vg", "unreadable_post"),
    ]
    assert [row["origin"] for row in listed(kept, "--smpp")] == ["op"]
    assert "unreadable_post" in words
    assert "teleported" not in words


def test_it_is_shown_with_its_numbers_masked_or_as_it_came(kept: Shell) -> None:
    post = listed(kept)[1]["id"]

    masked, raw = (kept("carrier", "dead", "show", post, *options).out.strip() for options in ((), ("--raw",)))

    assert masked == '{"msisdn": "4917........", "state": "teleported", "at": "2026-11-21"}'
    assert raw == POST.decode()


def test_letters_are_dropped_and_stay_counted(kept: Shell) -> None:
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
def test_what_cannot_be_shown_is_said(kept: Shell, asked: list[str], words: str) -> None:
    said = kept("carrier", "dead", *asked)

    assert said.code == 2
    assert words in said.err
