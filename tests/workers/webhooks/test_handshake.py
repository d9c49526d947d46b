"""Handshakes: a new endpoint gets its dialect's verification call, and is created only if it confirms it."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import web

from pipeline.dialects.registry import DIALECTS
from pipeline.stages.api import webhook_endpoints
from pipeline.stages.api.webhook_endpoints import HandshakeRefused
from tests.dialects.vendors import Vendor
from tests.workers.webhooks.receiver import Receiver, echo, flood, hang, status
from tests.world import World
from workers.webhooks.handshake import verify_endpoint

Answer = Callable[[web.Request], Any]

HANDSHAKEN = [name for name, each in DIALECTS.items() if each.handshake]


async def secret_alone(request: web.Request) -> web.Response:
    """Answer with the secret and nothing else."""
    return web.Response(text=(await request.json())["secret"])


def with_status(code: int) -> Answer:
    async def answer(request: web.Request) -> web.Response:
        return web.Response(status=code, body=await request.read())

    return answer


def make(world: World, url: str, dialect: Vendor) -> webhook_endpoints.Endpoint:
    def call(*words: Any) -> str | None:
        return verify_endpoint(world.rt, *words)

    made, _ = webhook_endpoints.create(world.rt, world.account, DIALECTS[dialect], url, verify=call)
    return made


@pytest.mark.parametrize("answer", [echo, secret_alone])
def test_a_webex_handshake_sends_a_secret_and_requires_it_in_the_response(
    world: World, receiver: Receiver, answer: Answer
) -> None:
    receiver.answers["/"] = answer

    made = make(world, receiver.url(), Vendor.WEBEX)

    [accepted] = receiver.accepted
    assert list(json.loads(accepted.body)) == ["secret"]
    assert accepted.headers["Content-Type"] == "application/json"
    assert webhook_endpoints.list_all(world.rt, world.account) == [made]


def test_the_secret_of_a_handshake_is_used_once_and_is_not_the_signing_secret(world: World, receiver: Receiver) -> None:
    receiver.answers["/"] = echo
    for _ in range(2):
        make(world, receiver.url(), Vendor.WEBEX)

    sent = {json.loads(each.body)["secret"] for each in receiver.accepted}
    sealed = world.rows("SELECT sealed FROM webhook_endpoints")
    kept = {world.rt.vault.open("endpoint", each).decode() for each in sealed}
    assert (len(sent), len(kept), sent & kept) == (2, 2, set())


def test_a_solaris_handshake_sends_an_empty_event_and_requires_any_2xx(world: World, receiver: Receiver) -> None:
    receiver.answers["/"] = status(204)

    made = make(world, receiver.url(), Vendor.SOLARIS)

    [accepted] = receiver.accepted
    assert (accepted.body, accepted.headers["Solaris-Webhook-Event-Type"]) == (b"", "WEBHOOK-SUBSCRIPTION")
    assert webhook_endpoints.list_all(world.rt, world.account) == [made]


@pytest.mark.parametrize("dialect", [Vendor.ROBASE, Vendor.TELESIGN])
def test_dialects_without_a_handshake_do_not_call_the_endpoint(
    world: World, receiver: Receiver, dialect: Vendor
) -> None:
    make(world, receiver.url(), dialect)

    assert receiver.accepted == []


@pytest.mark.parametrize(
    ("dialect", "answer", "words"),
    [
        pytest.param(Vendor.WEBEX, status(200), "answered 200, but not as it must: 200, with the secret", id="no echo"),
        pytest.param(Vendor.WEBEX, with_status(201), "answered 201", id="201 with the secret"),
        pytest.param(Vendor.WEBEX, with_status(404), "answered 404", id="404 with the secret"),
        pytest.param(Vendor.WEBEX, flood, "answered 200", id="no end"),
        pytest.param(Vendor.SOLARIS, status(404), "answered 404, but not as it must: 2xx", id="not found"),
        pytest.param(Vendor.SOLARIS, status(302, Location="/elsewhere"), "answered 302", id="a redirect"),
    ],
)
def test_an_endpoint_with_a_wrong_handshake_response_is_not_created(
    world: World, receiver: Receiver, dialect: Vendor, answer: Answer, words: str
) -> None:
    receiver.answers["/"] = answer

    with pytest.raises(HandshakeRefused, match=words):
        make(world, receiver.url(), dialect)

    assert webhook_endpoints.list_all(world.rt, None) == []
    assert [each.path for each in receiver.accepted] == ["/"]


@pytest.mark.parametrize("dialect", HANDSHAKEN)
def test_an_endpoint_whose_handshake_times_out_is_not_created(
    world: World, receiver: Receiver, dialect: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    receiver.answers["/"] = hang
    monkeypatch.setattr(DIALECTS[dialect].handshake, "TIMEOUT", 0.3)

    with pytest.raises(HandshakeRefused, match=r"could not be called \(timeout\)"):
        make(world, receiver.url(), dialect)

    assert webhook_endpoints.list_all(world.rt, None) == []


def test_no_handshake_is_sent_to_a_forbidden_address(world: World, receiver: Receiver) -> None:
    words = verify_endpoint(world.rt, Vendor.WEBEX, receiver.url(host="127.0.0.2"))

    assert words
    assert words.startswith("could not be called (url_unfit)")
    assert receiver.accepted == []
