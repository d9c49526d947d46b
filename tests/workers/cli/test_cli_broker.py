"""`postroad broker dead`, and what `postroad status` reports of the broker and the clock."""

import json
import re
from collections.abc import Iterator
from datetime import timedelta
from uuid import uuid4

import pytest
import redis
from celery import Celery

from pipeline.runtime import Runtime
from pipeline.settings import Settings
from pipeline.stages import dead_letters
from pipeline.stages.heartbeat import tick
from schema.dead_letter import DeadLetter
from schema.vocabulary import DeadLetterSource
from tests.workers.broker.foreign import ORDER, bare, protocol_2
from tests.workers.cli.conftest import Shell
from tests.world import World
from workers.cli.terminal.masking import masked_message

SECRETS = ("+2348012345678", "2348012345678", "Your ride", "ride")


@pytest.fixture
def keyed(shell: Shell) -> Shell:
    """A shell with a secret key: what is set aside can be sealed."""
    shell.set(SECRET_KEY="k" * 32)
    return shell


@pytest.fixture
def letters(keyed: Shell, settings: Settings) -> list[bytes]:
    """Two messages of the broker that were set aside, and a receipt that is none of its."""
    from pydantic import SecretStr

    rt = Runtime(settings.model_copy(update={"secret_key": SecretStr("k" * 32)}))
    payloads = [json.dumps(protocol_2(str(uuid4()))).encode(), json.dumps(bare(str(uuid4()))).encode()]
    dead_letters.keep(
        rt,
        [
            DeadLetter(DeadLetterSource.BROKER, "ingest", "not_now", payloads[0]),
            DeadLetter(DeadLetterSource.BROKER, "otp", "no_envelope", payloads[1]),
            DeadLetter(DeadLetterSource.RECEIPT, "alpha", "not_json", b"x"),
        ],
    )
    rt.close()
    return payloads


def ids(shell: Shell) -> list[str]:
    return [row["id"] for row in json.loads(shell("broker", "dead", "list", "--json").out)]


def test_dead_letters_are_listed_with_their_queue_and_reason(keyed: Shell, letters: list[bytes]) -> None:
    said = keyed("broker", "dead", "list")

    assert said.code == 0
    assert [word for word in ("ingest", "not_now", "otp", "no_envelope") if word not in said.out] == []
    assert "alpha" not in said.out
    assert [word for word in SECRETS if word in said.out] == []


def test_a_dead_letter_s_content_is_masked_unless_revealed(keyed: Shell, letters: list[bytes]) -> None:
    for letter in ids(keyed):
        masked, revealed = keyed("broker", "dead", "show", letter), keyed("broker", "dead", "show", letter, "--reveal")

        assert [word for word in SECRETS if word in masked.out] == []
        assert '"recipients": [{"to": "+*************"}]' in masked.out
        assert '"sms.ingest"' in masked.out
        assert [word for word in SECRETS if word not in revealed.out] == []


def test_a_dropped_dead_letter_is_still_counted(keyed: Shell, letters: list[bytes]) -> None:
    first, second = ids(keyed)

    assert keyed("broker", "dead", "drop", first).out == "1 removed\n"
    assert ids(keyed) == [second]
    assert keyed("broker", "dead", "drop", first).code == 1
    assert keyed("broker", "dead", "drop").code == 2
    assert keyed("broker", "dead", "drop", "--all").out == "1 removed\n"
    assert ids(keyed) == []
    counted = json.loads(keyed("status", "--json").out)["set_aside"]
    assert [(row["source"], row["origin"], row["reason"], row["letters"]) for row in counted] == [
        ("broker", "ingest", "not_now", 1),
        ("broker", "otp", "no_envelope", 1),
        ("receipt", "alpha", "not_json", 1),
    ]
    assert "no_envelope" in keyed("status").out


def test_a_dead_letter_is_put_into_its_queue_again(keyed: Shell, letters: list[bytes], valkey: redis.Redis) -> None:
    said = keyed("broker", "dead", "requeue", ids(keyed)[1])

    assert (said.code, said.out) == (0, "it is in the queue ingest again\n")
    assert valkey.lrange("postroad:ingest", 0, -1) == [letters[0]]
    assert len(ids(keyed)) == 1


def test_an_unknown_dead_letter_is_an_error(keyed: Shell) -> None:
    assert keyed("broker", "dead", "show", uuid4()).code == 1
    assert keyed("broker", "dead", "list").code == 0


@pytest.mark.parametrize(
    "payload",
    [
        b"x 471108",
        b"\xff\xfe471108",
        b'{"body": "471108',
        json.dumps({"text": "471108", "471108": {"a": "471108"}}).encode(),
        json.dumps(json.dumps({"to": "471108"})).encode(),
    ],
    ids=ascii,
)
def test_a_payload_without_an_envelope_is_masked_too(payload: bytes) -> None:
    assert "471108" not in masked_message(payload, reveal=False)
    assert "471108" in masked_message(payload, reveal=True)


# What nobody reads, and the clock -----------------------------------------------------------------------------


@pytest.fixture
def valkey(shell: Shell, settings: Settings) -> Iterator[redis.Redis]:
    """The broker of that shell, empty."""
    url = settings.broker_url.get_secret_value().rpartition("/")[0] + "/15"
    with redis.Redis.from_url(url) as client:
        client.flushdb()
        yield client
        client.flushdb()


def test_status_reports_messages_in_lists_that_no_worker_reads(shell: Shell, world: World, valkey: redis.Redis) -> None:
    url = valkey.connection_pool.connection_kwargs
    broker = f"redis://:{url['password']}@{url['host']}:{url['port']}/15"
    with Celery("foreign", broker=broker, set_as_current=False) as plain:
        plain.send_task("sms.ingest", (ORDER,), queue="ingest", priority=9)
        plain.send_task("sms.ingest", (ORDER,), queue="ingest")
        plain.send_task("sms.ingest", (ORDER,))
    with Celery("prefixed", broker=broker, set_as_current=False) as prefixed:
        prefixed.conf.broker_transport_options = {"global_keyprefix": "postroad:"}
        prefixed.send_task("sms.ingest", (ORDER,))
    valkey.lpush("otp", "x", "y", "z")

    said, listed = shell("status"), json.loads(shell("status", "--json").out)["unread_lists"]

    assert {row["list"]: row["messages"] for row in listed} == {
        "ingest": 2,
        "otp": 3,
        "celery": 1,
        "postroad:celery": 1,
    }
    assert "docs/producers.md" in said.out
    assert "- list postroad:celery is read by no worker (1)" in said.out
    assert said.code == 1


def test_status_reports_a_clock_that_does_not_tick(
    shell: Shell, world: World, valkey: redis.Redis, settings: Settings
) -> None:
    never = shell("status").out
    with_broker = settings.model_copy(update={"broker_url": type(settings.broker_url)(_url(valkey))})
    rt = Runtime(with_broker)
    tick(rt)
    fresh, known = shell("status").out, json.loads(shell("status", "--json").out)["clock"]
    valkey.set("postroad:ticked-at", (rt.now() - timedelta(seconds=95)).timestamp())
    late = shell("status").out
    rt.close()

    assert "- the clock does not tick" in never
    assert "last tick of the clock: never" in never
    assert "the clock does not tick" not in fresh
    assert known["is_known"]
    assert 0 <= known["age"] < 60
    assert re.search(r"last tick of the clock: (\d\d+ s|\d min) ago", late)
    assert re.search(r"- the clock does not tick: .*, since \S+ \S+Z, ", late)


def _url(valkey: redis.Redis) -> str:
    url = valkey.connection_pool.connection_kwargs
    return f"redis://:{url['password']}@{url['host']}:{url['port']}/15"
