"""Mutations of valid messages, sent to live processes: none of them ends, and each valid message among them is sent."""

import base64
import json
from collections.abc import Callable
from copy import deepcopy
from random import Random
from typing import Any
from uuid import UUID, uuid4

import pytest

from pipeline.stages import dead_letters
from tests.broker import redis_channel
from tests.fuzzing import rounds, seeded
from tests.workers.broker.foreign import ORDER, encoded, nested, protocol_1, protocol_2
from tests.workers.conftest import Eventually, Site

#: mutations pushed at once, with one good message among them
AT_ONCE = 25

STRANGE: list[Any] = [
    None,
    True,
    0,
    -1,
    7,
    1e308,
    10**400,
    "",
    "x",
    "\x00",
    "\ud800",
    [],
    [[]],
    {},
    {"a": [1]},
    "é" * 99,
]
STRANGE += [
    "9999-12-31T23:59:59Z",
    "sms.maintenance",
    "celery.chord_unlock",
    {"__type__": "datetime", "__value__": "x"},
]


def _messages(id_: str) -> list[Any]:
    internal = protocol_2(id_, task="sms.deliver")
    return [
        protocol_2(id_, eta=None, expires=None, timelimit=[None, None], group=None, stamps={}, stamped_headers=[]),
        protocol_1(id_, callbacks=None, errbacks=None, chord=None, taskset=None),
        internal | {"body": encoded([[[str(uuid4())]], {}, {}])},
    ]


def _flipped(random: Random, raw: bytes) -> bytes:
    made = bytearray(raw)
    for _ in range(random.randint(1, 8)):
        made[random.randrange(len(made))] ^= 1 << random.randrange(8)
    return bytes(made)


def _cut(random: Random, raw: bytes) -> bytes:
    begin, end = sorted(random.randrange(len(raw) + 1) for _ in range(2))
    return raw[begin:end] if random.random() < 0.5 else raw[:end]


def _noise(random: Random, raw: bytes) -> bytes:
    return random.randbytes(random.choice([1, 9, 1000, 100_000]))


def _deep(random: Random, raw: bytes) -> bytes:
    return nested(random.choice([20, 400, 900, 5000, 200_000])).encode()


def _places(value: Any, depth: int = 0) -> list[tuple[Any, Any]]:
    """Return every place in a JSON value where something stands, as far down as messages of ours go."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    if depth == 12:
        return []
    return [place for key, each in inner for place in [(value, key), *_places(each, depth + 1)]]


def _swap(random: Random, value: Any) -> None:
    """Put something else in a place, or take it away."""
    for _ in range(random.randint(1, 3)):
        if not (places := _places(value)):
            return
        holder, key = random.choice(places)
        match random.random():
            case chance if chance < 0.6:
                holder[key] = deepcopy(random.choice(STRANGE))
            case chance if chance < 0.7:
                holder[key] = json.loads(nested(random.choice([10, 40, 400])))
            case chance if chance < 0.75:
                holder[key] = "x" * random.choice([300, 100_000])
            case _:
                del holder[key]


def _mutated(random: Random) -> bytes:
    """Return one mutation of a good message: of its bytes, its envelope, or its body."""
    message = random.choice(_messages(str(UUID(int=random.getrandbits(128)))))
    body = json.loads(base64.b64decode(message["body"]))
    if random.random() < 0.4:
        _swap(random, body)
        message["body"] = encoded(body)
    elif random.random() < 0.3:
        raw = random.choice([_flipped, _cut, _noise, _deep])(random, json.dumps(body).encode())
        message["body"] = encoded(raw)
    if random.random() < 0.5:
        _swap(random, message)
    raw = json.dumps(message).encode()
    return random.choice([_flipped, _cut, _noise, _deep])(random, raw) if random.random() < 0.3 else raw


@pytest.mark.fuzz
@pytest.mark.parametrize(("line", "queue"), [("worker", "ingest"), ("lane", "otp")])
def test_no_mutated_message_ends_a_process_and_each_valid_message_among_them_is_sent(
    new_site: Callable[[], Site], eventually: Eventually, line: str, queue: str
) -> None:
    site, good, sent = new_site(), [], rounds(300)
    log = site.start_line(line)
    others = site.start_line("worker") if line == "lane" else None  # codes are made ready by the lane itself

    with seeded() as random, site.broker() as connection:
        client = redis_channel(connection).client
        for _ in range(0, sent, AT_ONCE):
            items = [_mutated(random) for _ in range(AT_ONCE)]
            good.append(uuid4())
            order = ORDER | {"class": "otp"} if queue == "otp" else ORDER
            items.insert(random.randrange(AT_ONCE), json.dumps(protocol_2(str(good[-1]), order)).encode())
            client.lpush(queue, *items)
            eventually(lambda: client.llen(queue) < 4 * AT_ONCE, 60)
        eventually(lambda: client.llen(queue) == 0, 120)

        for request in good:
            site.await_sent(request, 60)
        assert site.alive
        eventually(lambda: site.unacknowledged() == 0)
        set_aside = sum(row["letters"] for row in dead_letters.counts(site.rt))
        assert set_aside > sent / 3
        assert "could not be kept" not in log.read_text()
        assert [each for each in ("Traceback", "Unrecoverable") if each in log.read_text()] == []
    assert others is None or "Traceback" not in others.read_text()
