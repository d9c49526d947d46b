"""A message of each API end to end: sent, submitted, receipt applied, webhook called in the vendor's format."""

import contextlib
import hmac
import json
from base64 import b64encode
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from hashlib import sha256
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

import jsonschema_rs
import pytest
from robasedev.webhooks import verify_webhook_signature
from telesign.rest import RestClient
from telesign.util import verify_telesign_callback_signature

from pipeline.dialects.postroad.openapi import document
from pipeline.dialects.registry import DIALECTS
from pipeline.settings import Settings
from pipeline.stages import inbound
from pipeline.stages.admin.audit import audit
from pipeline.stages.admin.person_import import add_person
from pipeline.stages.api import webhook_deliveries, webhook_endpoints
from pipeline.stages.campaigns import control
from pipeline.stages.campaigns.approve import approve
from pipeline.stages.deliver import deliver
from pipeline.stages.settle import settle
from pipeline.store import carriers
from pipeline.store.api import campaign_events
from schema.carriage import Inbound
from tests.api.conftest import RunningGateway
from tests.campaigns import checked, draft, rows_of
from tests.carriers.simulator import simulator
from tests.dialects.standard_webhooks import VerificationError, verify
from tests.dialects.vendors import Vendor
from tests.workers.alerts.smtp_server import MailServer
from tests.workers.webhooks.receiver import Accepted, Receiver, echo
from tests.workers.webhooks.test_notifier import eventually, process
from tests.world import World
from workers.webhooks.handshake import verify_endpoint

NUMBER = "+2348012345678"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Settings that let webhooks reach the customer's server."""
    return settings.model_copy(update={"webhook_networks": ("127.0.0.1/32",)})


@pytest.fixture
def customer() -> Iterator[Receiver]:
    """A customer's server; it sends back what it is sent."""
    found = Receiver()
    found.answers["/hook"] = echo
    found.start()
    yield found
    found.stop()


@pytest.fixture
def travel(world: World, running_gateway: RunningGateway) -> Iterator[Callable[[], None]]:
    """Lets what was sent travel: to a carrier over HTTP, whose report comes back through the gateway."""
    with simulator(alpha={"receipts": {"delay": 0.05}}) as url:
        line = {"base_url": url, "receipt_url": f"{running_gateway.url}/receipts/alpha"}
        with world.rt.begin() as conn:
            carriers.save(conn, "alpha", "http", line)

        def go() -> None:
            deliver(world.rt, world.rows("SELECT id FROM batches WHERE status = 'queued'"))
            eventually(lambda: world.rows("SELECT count(*) FROM receipts") == [1])
            settle(world.rt)
            assert world.rows("SELECT status FROM messages") == ["delivered"]

        yield go
    assert [finding for finding in audit(world.rt) if finding.broken] == []


def listen(world: World, customer: Receiver, dialect: Vendor) -> str:
    """Register the customer's server as an operator does; return its secret."""
    url = customer.url("/hook")
    made, secret = webhook_endpoints.create(
        world.rt, world.account, DIALECTS[dialect], url, verify=partial(verify_endpoint, world.rt)
    )
    assert webhook_endpoints.list_all(world.rt, world.account) == [made]
    return secret


def notification(world: World, customer: Receiver, count: int) -> list[Accepted]:
    """Let a notifier of its own make all calls; return what the customer heard, the first first."""
    before = len(customer.accepted)
    with process(world):
        eventually(lambda: world.rows("SELECT count(*) FROM webhook_deliveries WHERE state <> 'delivered'") == [0])
    accepted = customer.accepted[before:]
    assert len(accepted) == count
    return accepted


def test_a_robase_message_is_delivered_and_reported_to_its_webhook(
    world: World, running_gateway: RunningGateway, customer: Receiver, travel: Callable[[], None]
) -> None:
    bearer = {"Authorization": f"Bearer {running_gateway.key(Vendor.ROBASE)['api_key']}"}
    hook = {"url": customer.url("/hook"), "events": ["sms.queued", "sms.sent", "sms.delivered", "sms.failed"]}
    made = running_gateway.ask("POST", "/robase/v1/webhooks", hook, bearer)
    assert made.status == 201, made.body

    sent = running_gateway.ask("POST", "/robase/v1/sms", {"to": NUMBER, "from": "ACME", "body": "Hello"}, bearer)
    assert sent.status == 202, sent.body
    travel()
    accepted = notification(world, customer, 3)

    said = [json.loads(each.body) for each in accepted]
    assert [each["type"] for each in said] == ["sms.queued", "sms.sent", "sms.delivered"]
    assert {each["data"]["sms_id"] for each in said} == {sent.json["id"]}
    assert len({each["id"] for each in said}) == 3
    for each in accepted:
        # raises what is not so
        signature, secret = each.headers["Robase-Signature"], made.json["secret"]
        verify_webhook_signature(payload=each.body, header=signature, secret=secret)


def test_a_message_of_our_own_api_is_delivered_and_reported_by_standard_webhooks(
    world: World, running_gateway: RunningGateway, customer: Receiver, travel: Callable[[], None]
) -> None:
    bearer = {"Authorization": f"Bearer {running_gateway.key(Vendor.POSTROAD)['api_key']}"}
    made = running_gateway.ask("POST", "/postroad/v1/webhooks", {"url": customer.url("/hook")}, bearer)
    assert made.status == 201, made.body

    order = {"sender": "ACME", "body": "Hello", "recipients": [{"to": NUMBER, "correlation_id": "order-9"}]}
    sent = running_gateway.ask("POST", "/postroad/v1/messages", order, bearer)
    assert sent.status == 202, sent.body
    travel()
    accepted = notification(world, customer, 3)

    said = [verify(made.json["secret"], each.body, each.headers, datetime.now(UTC)) for each in accepted]
    assert [each["type"] for each in said] == ["message.queued", "message.sent", "message.delivered"]
    for each in said:
        assert each["data"]["id"] == sent.json["messages"][0]["id"]
        assert (each["data"]["request_id"], each["data"]["correlation_id"]) == (sent.json["request_id"], "order-9")
    assert len({each.headers["webhook-id"] for each in accepted}) == 3


def test_an_inbound_message_is_reported_once_to_the_endpoints_of_its_account_that_subscribe(
    world: World, running_gateway: RunningGateway, customer: Receiver
) -> None:
    bearer = {"Authorization": f"Bearer {running_gateway.key(Vendor.POSTROAD)['api_key']}"}
    hooks = [{"url": customer.url("/hook"), "events": events} for events in ([], ["message.inbound"], ["message.sent"])]
    made = [running_gateway.ask("POST", "/postroad/v1/webhooks", hook, bearer).json for hook in hooks]
    webhook_endpoints.create(world.rt, world.account, DIALECTS[Vendor.ROBASE], customer.url("/hook"))
    long = [Inbound("alpha", f"p{n}", NUMBER, "ACME", "x" * 4, at=None, part_ref=7, part=n, of=2) for n in (1, 2)]
    texts = [Inbound("alpha", f"k{to}", NUMBER, to, "STOP", at=None) for to in ("ACME", "nobody")]
    inbound.keep(world.rt, [*texts, *long])
    inbound.reply(world.rt)

    # of the endpoint that did not subscribe the notifier makes no call
    accepted = notification(world, customer, 4)

    said = [verify_any(made, each) for each in accepted]
    assert sorted((each["type"], each["data"]["body"]) for each in said) == [
        *[("message.inbound", "STOP")] * 2,
        *[("message.inbound", "x" * 8)] * 2,
    ]
    listed = running_gateway.ask("GET", "/postroad/v1/inbound", headers=bearer).json["data"]
    assert {each["data"]["id"] for each in said} == {each["id"] for each in listed}
    assert all(each["data"] in listed for each in said)


def test_states_of_a_campaign_are_reported_in_their_order_without_numbers_and_texts(
    world: World, customer: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = listen(world, customer, Vendor.POSTROAD)
    webhook_endpoints.create(
        world.rt, world.account, DIALECTS[Vendor.POSTROAD], customer.url("/hook"), events=["campaign.paused"]
    )
    webhook_endpoints.create(world.rt, world.account, DIALECTS[Vendor.ROBASE], customer.url("/hook"))
    campaign = draft(world, rows_of(NUMBER), body="A text", merge={"name": "Ada"})
    checked(world, campaign)
    approve(world.rt, campaign.id)
    control.start(world.rt, campaign.id)
    control.pause(world.rt, campaign.id, "a typo")
    control.resume(world.rt, campaign.id)
    control.abort(world.rt, campaign.id)

    checked(world, draft(world, name="empty"))
    with MailServer().running() as mails:
        monkeypatch.setenv("POSTROAD_ALERT_EMAIL_TO", "ops@example.org")
        monkeypatch.setenv("POSTROAD_SMTP_URL", f"smtp://127.0.0.1:{mails.port}")
        with process(world):
            undone = """
            SELECT (SELECT count(*) FROM webhook_deliveries WHERE state <> 'delivered')
                 + (SELECT count(*) FROM campaign_events WHERE alert_due_at IS NOT NULL)
            """
            eventually(lambda: world.rows(undone) == [0])
    accepted = [each for each in customer.accepted if b"campaign.failed" not in each.body]

    assert (len(accepted), len(customer.accepted), len(mails.mails)) == (6, 7, 1)
    said = [verify(secret, each.body, each.headers, datetime.now(UTC)) for each in accepted if is_of(secret, each)]
    assert [each["type"] for each in said] == [
        *("campaign.quoted", "campaign.running", "campaign.paused", "campaign.running", "campaign.aborted")
    ]
    assert [(each["data"]["reason"], each["data"]["cause"]) for each in said if each["data"]["state"] == "paused"] == [
        ("a typo", "person")
    ]
    assert {each["data"]["id"] for each in said} == {str(campaign.id)}
    assert said[-1]["data"]["progress"]["left_out"] == 1
    assert len({each.headers["webhook-id"] for each in accepted}) == 5
    texts = b"".join(each.body for each in accepted)
    assert not any(each in texts for each in (NUMBER[1:].encode(), b"A text", b"Ada"))
    components = document()["components"]
    validator = jsonschema_rs.validator_for({"$ref": "#/components/schemas/CampaignEvent", "components": components})
    assert [error for each in said for error in validator.iter_errors(each)] == []
    replayed = [webhook_deliveries.replay(world.rt, account, [campaign.id]) for account in (world.account + 1, None)]
    assert replayed == [0, 10]
    world.run("DELETE FROM webhook_deliveries WHERE status <> 'campaign_quoted'")
    with world.rt.begin() as conn:  # one that may still be replayed is kept
        assert campaign_events.prune(conn, world.rt.now() + timedelta(days=1)) == 5


def is_of(secret: str, call: Accepted) -> bool:
    """Tell whether a call is signed with this secret."""
    with contextlib.suppress(VerificationError):
        verify(secret, call.body, call.headers, datetime.now(UTC))
        return True
    return False


def verify_any(made: list[Any], call: Accepted) -> Any:
    """Return the content of a call that is signed with the secret of one of these endpoints."""
    for endpoint in made:
        with contextlib.suppress(VerificationError):
            return verify(endpoint["secret"], call.body, call.headers, datetime.now(UTC))
    raise AssertionError("no endpoint's secret verifies it")


def test_a_failed_receipt_followed_by_a_delivered_one_sends_both_events(
    world: World, running_gateway: RunningGateway, customer: Receiver
) -> None:
    bearer = {"Authorization": f"Bearer {running_gateway.key(Vendor.ROBASE)['api_key']}"}
    hook = {"url": customer.url("/hook"), "events": ["sms.delivered", "sms.failed"]}
    assert running_gateway.ask("POST", "/robase/v1/webhooks", hook, bearer).status == 201
    sent = running_gateway.ask("POST", "/robase/v1/sms", {"to": NUMBER, "from": "ACME", "body": "Hello"}, bearer)
    with simulator(alpha={"receipts": {"never": 1}}) as url:
        with world.rt.begin() as conn:
            carriers.save(conn, "alpha", "http", {"base_url": url})
        deliver(world.rt, world.rows("SELECT id FROM batches WHERE status = 'queued'"))

    for status in ("failed", "delivered", "failed"):
        report = {"ref": sent.json["id"], "status": status}
        assert running_gateway.ask("POST", "/receipts/alpha", report).status == 200
        settle(world.rt)
    accepted = notification(world, customer, 2)

    said = [json.loads(each.body) for each in accepted]
    assert [(each["type"], each["data"]["error_code"]) for each in said] == [
        ("sms.failed", "undelivered"),
        ("sms.delivered", None),
    ]
    assert world.rows("SELECT status, money FROM messages") == [("delivered", "captured")]
    assert [finding for finding in audit(world.rt) if finding.broken] == []


def test_a_telesign_message_is_delivered_and_reported_to_its_callback(
    world: World, running_gateway: RunningGateway, customer: Receiver, travel: Callable[[], None]
) -> None:
    id_, key = running_gateway.key(Vendor.TELESIGN).values()
    body = urlencode({"phone_number": NUMBER[1:], "callback_url": customer.url("/hook")})
    headers = RestClient.generate_telesign_headers(id_, key, "POST", "/v1/verify/sms", body)

    sent = running_gateway.ask("POST", "/telesign/v1/verify/sms", body, headers)
    assert sent.status == 200, sent.body
    travel()
    accepted = notification(world, customer, 2)

    said = [json.loads(each.body) for each in accepted]
    assert [(each["status"]["code"], each["status"]["description"]) for each in said] == [
        (203, "Delivered to gateway"),
        (200, "Delivered to handset"),
    ]
    assert {each["reference_id"] for each in said} == {sent.json["reference_id"]}
    for each in accepted:
        name, _, signature = each.headers["X-TS-Authorization"].partition(":")
        assert name == f"TSA {id_}"
        assert verify_telesign_callback_signature(key, signature, each.body.decode())


def test_a_webex_message_is_delivered_and_reported_to_its_webhook(
    world: World, running_gateway: RunningGateway, customer: Receiver, travel: Callable[[], None]
) -> None:
    secret = listen(world, customer, Vendor.WEBEX)
    [greeting] = customer.accepted
    assert list(json.loads(greeting.body)) == ["secret"]

    sent = running_gateway.ask(
        "POST",
        "/webex/v1/sms",
        {"message_body": "Hello", "from": "ACME", "to": [{"phone": [NUMBER], "correlation_id": "corr_id_1"}]},
        {"X-AUTH-KEY": running_gateway.key(Vendor.WEBEX)["access_token"]},
    )
    assert sent.status == 200, sent.body
    travel()
    accepted = notification(world, customer, 2)

    said = [json.loads(each.body) for each in accepted]
    assert [(each["data"]["status"], each["data"].get("code")) for each in said] == [
        ("submitted", "1003"),
        ("delivered", None),
    ]
    assert {each["transaction_id"] for each in said} == {sent.json["messages"][0]["transaction_id"]}
    assert {each["correlation_id"] for each in said} == {"corr_id_1"}
    for each in accepted:
        assert each.headers["x-hub-signature"] == hmac.new(secret.encode(), each.body, sha256).hexdigest()


def test_a_solaris_message_is_delivered_and_reported_to_its_webhook(
    world: World, running_gateway: RunningGateway, customer: Receiver, travel: Callable[[], None]
) -> None:
    secret = listen(world, customer, Vendor.SOLARIS)
    [greeting] = customer.accepted
    assert (greeting.headers["Solaris-Webhook-Event-Type"], greeting.body) == ("WEBHOOK-SUBSCRIPTION", b"")
    add_person(world.rt, "acme", "anna", NUMBER, verified=True)
    bearer = {"Authorization": f"Bearer {token(running_gateway)}"}

    asked = {"person_id": "anna", "text": "Your statement is here.", "purpose": "Statements"}
    sent = running_gateway.ask("POST", "/solaris/v1/sms/messages", asked | {"idempotency_key": str(uuid4())}, bearer)
    assert sent.status == 202, sent.body
    travel()
    dropped = running_gateway.ask("DELETE", "/solaris/v1/persons/anna/mobile_number", None, bearer)
    assert dropped.status == 200, dropped.body
    accepted = notification(world, customer, 4)

    about: dict[str, list[Any]] = {"anna": [], sent.json["id"]: []}
    for each in accepted:
        words = (each.headers["Solaris-Webhook-Event-Type"], json.loads(each.body))
        about[each.headers["Solaris-Entity-Id"]].append(words)
        signature = "sha256=" + hmac.new(secret.encode(), each.body, sha256).hexdigest()
        assert each.headers["Solaris-Webhook-Signature"] == signature
    assert about["anna"] == [
        ("PERSON_MOBILE_NUMBER_CREATED", {}),
        ("PERSON_MOBILE_NUMBER_DELETED", {"id": dropped.json["id"]}),
    ]
    assert [(event, said["status"]) for event, said in about[sent.json["id"]]] == [
        ("SMS_MESSAGE_SENT", "sent"),
        ("SMS_MESSAGE_DELIVERED", "delivered"),
    ]


def token(running_gateway: RunningGateway) -> str:
    """Return a partner's access token."""
    client = running_gateway.key(Vendor.SOLARIS)
    shown = b64encode(f"{client['client_id']}:{client['client_secret']}".encode()).decode()
    form = {"Authorization": f"Basic {shown}", "Content-Type": "application/x-www-form-urlencoded"}
    answer = running_gateway.ask("POST", "/solaris/oauth2/token", "grant_type=client_credentials&scope=partners", form)
    return str(answer.json["access_token"])
