"""A further dialect, which consists of one folder of the tests, is served like those of the product."""

import dataclasses
import hmac
import json
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from pipeline.dialects import registry
from pipeline.dialects.contract import Dialect
from pipeline.dialects.registry import DIALECTS
from pipeline.errors import ConfigurationError
from pipeline.settings import Settings
from pipeline.stages.admin.audit import audit
from pipeline.stages.api import webhook_endpoints
from pipeline.stages.deliver import deliver
from pipeline.store import dialects
from schema.vocabulary import Code
from tests.api.conftest import RunningGateway
from tests.dialects.acme import DIALECT
from tests.dialects.acme.errors import ERRORS
from tests.workers.webhooks.receiver import Receiver
from tests.workers.webhooks.test_notifier import run
from tests.world import World

NUMBER = "+2348012345678"
DOCUMENT = Path(__file__).parents[2] / "docs" / "dialects.md"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Settings that let webhooks reach the customer's server."""
    return settings.model_copy(update={"webhook_networks": ("127.0.0.1/32",), "webhook_plain": True})


@pytest.fixture(autouse=True)
def _registered(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Register it: the line in the registry, and what `postroad migrate` makes of it."""
    monkeypatch.setitem(DIALECTS, DIALECT.name, DIALECT)
    with world.rt.begin() as conn:
        dialects.write(conn, registry.rows())


@pytest.fixture
def customer() -> Iterator[Receiver]:
    """A customer's server."""
    found = Receiver()
    found.start()
    yield found
    found.stop()


def headers(running_gateway: RunningGateway, **properties: Any) -> dict[str, str]:
    properties = {"settings": {"sender": "ACME"}, **properties}
    return {"X-Acme-Key": running_gateway.key(DIALECT.name, **properties)["key"]}


def test_a_message_is_accepted_delivered_and_reported_to_a_webhook(
    world: World, running_gateway: RunningGateway, customer: Receiver
) -> None:
    key = headers(running_gateway)
    _, secret = webhook_endpoints.create(world.rt, world.account, DIALECT, customer.url("/hook"))

    sent = running_gateway.ask("POST", "/acme/messages", {"to": NUMBER, "text": "Your ride arrives at 9."}, key)
    for batch in world.rows("SELECT id FROM batches WHERE status = 'queued'"):
        deliver(world.rt, [batch])
    run(world.rt, lambda: bool(customer.accepted))
    read = running_gateway.ask("GET", f"/acme/messages/{sent.json['id']}", headers=key)

    assert (sent.status, sent.json["parts"]) == (200, 1)
    assert (read.status, read.json) == (200, {"id": sent.json["id"], "status": "sent", "parts": 1})
    [call] = customer.accepted
    assert json.loads(call.body) == {"id": sent.json["id"], "status": "sent"}
    assert call.headers["X-Acme-Signature"] == hmac.new(secret.encode(), call.body, sha256).hexdigest()
    assert [finding for finding in audit(world.rt) if finding.broken] == []


def test_a_long_text_is_billed_by_the_segment_size_of_the_dialect(
    world: World, running_gateway: RunningGateway
) -> None:
    sent = running_gateway.ask("POST", "/acme/messages", {"to": NUMBER, "text": "ж" * 125}, headers(running_gateway))

    # it is sent as two parts of 67 and billed as three of 60, at 400 each
    assert (sent.status, sent.json["parts"]) == (200, 2)
    assert world.rows("SELECT segments, amount FROM messages") == [(2, 1200)]


@pytest.mark.parametrize(
    ("key", "body", "status", "word"),
    [
        ({}, {"to": NUMBER, "text": "x"}, 401, "unauthenticated"),
        ({"X-Acme-Key": "acme_" + "x" * 43}, {"to": NUMBER, "text": "x"}, 401, "unauthenticated"),
        (None, {"text": "x"}, 400, "invalid_request"),
        (None, {"to": "12", "text": "x"}, 400, "invalid_number"),
    ],
)
def test_a_refusal_has_the_error_code_of_the_dialect(
    running_gateway: RunningGateway, key: Any, body: Any, status: int, word: str
) -> None:
    answer = running_gateway.ask("POST", "/acme/messages", body, headers(running_gateway) if key is None else key)

    assert (answer.status, answer.json["error"]) == (status, word)


def test_scopes_and_settings_of_a_key_are_enforced(running_gateway: RunningGateway) -> None:
    reading = headers(running_gateway, scopes=["read"])

    answer = running_gateway.ask("POST", "/acme/messages", {"to": NUMBER, "text": "x"}, reading)

    assert (answer.status, answer.json["error"]) == (403, "forbidden")
    with pytest.raises(ConfigurationError, match="a acme key has no setting 'speed'"):
        headers(running_gateway, settings={"speed": 5})


def test_its_openapi_document_and_page_are_served(running_gateway: RunningGateway) -> None:
    document, page = (running_gateway.ask("GET", f"/acme/{path}") for path in ("openapi.json", "docs"))

    assert (document.status, document.json["servers"], page.status) == (200, [{"url": "/acme"}], 200)
    assert {(each.method, each.path) for each in DIALECT.operations} == {
        (method.upper(), path)
        for path, item in document.json["paths"].items()
        for method in item
        if method in ("get", "post")
    }


def test_every_code_has_an_error() -> None:
    assert set(ERRORS) == set(Code)


def test_the_documentation_names_every_field_of_a_dialect() -> None:
    text = DOCUMENT.read_text("utf-8")

    assert [each.name for each in dataclasses.fields(Dialect) if f"`{each.name}`" not in text] == []
