"""Targets of the hostile-request tests: per dialect a key, valid bodies and ids, and ids of another account."""

from base64 import b64encode
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from pipeline.runtime import Runtime
from pipeline.stages.admin.person_import import add_person
from pipeline.store import accounts, wallet_ledger
from tests.api.conftest import RunningGateway
from tests.api.hostile_requests import FORM, Target
from tests.dialects.vendors import Vendor, issue
from tests.world import World

NUMBER, THEIRS = "+2348012345678", "+2348087654321"
_UUID = "019b7a2e-4d51-7c3a-9f10-2b6c1d3e4f50"
#: key settings without effective rate limits, so that no attack is answered 429 before it is read
ROOM: dict[Vendor, dict[str, Any]] = {
    dialect: {"rate": 1_000_000, "burst": 1_000_000, **limits}
    for dialect, limits in {
        Vendor.SOLARIS: {"recipient_burst": 1_000_000, "hard_cap": 1_000_000},
        Vendor.ROBASE: {},
        Vendor.TELESIGN: {"hard_cap": 1_000_000},
        Vendor.WEBEX: {},
        Vendor.POSTROAD: {},
    }.items()
}


def settle(world: World) -> None:
    """Give the world's account money, and create another account, `bolt`."""
    with world.rt.begin() as conn:
        wallet_ledger.top_up(conn, world.account, 10_000_000_000, "siege", world.rt.now())
        other = accounts.create(conn, "bolt", "NGN")
        assert other is not None
        accounts.set_sender(conn, other, "BOLT")
        # a sender id that attacks may delete
        accounts.set_sender(conn, world.account, "SPARE")
        wallet_ledger.top_up(conn, other, 1_000_000, "siege", world.rt.now())


def _solaris(house: RunningGateway, rt: Runtime) -> Target:
    for account, person, phone in (("acme", "known", NUMBER), ("acme", "reached", NUMBER), ("bolt", "theirs", THEIRS)):
        add_person(rt, account, person, phone, verified=True)
    shown = issue(rt, "acme", Vendor.SOLARIS, settings=ROOM[Vendor.SOLARIS]).credentials
    form = f"grant_type=client_credentials&client_id={shown['client_id']}&client_secret={shown['client_secret']}"
    token = house.ask("POST", "/solaris/oauth2/token", form, {"Content-Type": FORM}).json["access_token"]
    number = {"number": NUMBER}
    return Target(
        Vendor.SOLARIS,
        [("Authorization", f"Bearer {token}")],
        {
            "createToken": {"grant_type": "client_credentials", **shown},
            "sendMessage": {"person_id": "known", "text": "Hello", "purpose": "x", "idempotency_key": _UUID},
            "createPerson": {},
            "createMobileNumber": number,
            "deleteMobileNumber": number,
            "authorizeMobileNumber": number,
            "confirmMobileNumber": number | {"token": "123456"},
        },
        {"/": "known"},
        ["theirs"],
    )


def _robase(house: RunningGateway, rt: Runtime) -> Target:
    def opened(account: str, sender: str) -> tuple[list[tuple[str, str]], dict[str, str]]:
        key = issue(rt, account, Vendor.ROBASE, settings=ROOM[Vendor.ROBASE]).credentials["api_key"]
        headers = {"Authorization": f"Bearer {key}"}
        made = {
            "/v1/sms": {"to": NUMBER, "from": sender, "body": "x", "send_at": _soon()},
            "/v1/sms-templates": {"name": f"Of {account}", "body": "In {{.eta}}."},
            "/v1/sender-ids": {"sender_id": "NEW", "countries": ["NG"]},
            "/v1/webhooks": {"url": "https://93.184.215.14/", "events": ["sms.sent"]},
        }
        ids = {path: house.ask("POST", f"/robase{path}", body, headers).json["id"] for path, body in made.items()}
        return list(headers.items()), ids

    key, own = opened("acme", "ACME")
    _, theirs = opened("bolt", "BOLT")
    template = {"name": "Ride", "body": "In {{.eta}}."}
    registration = {"sender_id": "NEW", "countries": ["NG"], "use_case": "x"}
    webhook = {"url": "https://93.184.215.14/", "events": ["sms.sent"]}
    return Target(
        Vendor.ROBASE,
        key,
        {
            "sendSms": {"to": NUMBER, "from": "ACME", "body": "x"},
            "sendSmsBatch": {"from": "ACME", "messages": [{"to": NUMBER, "body": "x"}]},
            "createTemplate": template,
            "updateTemplate": template,
            "replaceTemplate": template,
            "renderTemplate": {"variables": {"eta": "5"}},
            "createSenderId": registration,
            "updateSenderId": {"countries": ["NG"]},
            "createWebhook": webhook,
            "updateWebhook": webhook,
        },
        own,
        [*theirs.values(), "of-bolt"],
        {"sendSmsBatch": ["messages"]},
    )


def _telesign(house: RunningGateway, rt: Runtime) -> Target:
    def opened(account: str) -> tuple[str, str]:
        shown = issue(rt, account, Vendor.TELESIGN, settings=ROOM[Vendor.TELESIGN]).credentials
        basic = "Basic " + b64encode(":".join(shown.values()).encode()).decode()
        headers = {"Authorization": basic, "Content-Type": FORM}
        sent = house.ask("POST", "/telesign/v1/verify/sms", f"phone_number={NUMBER[1:]}", headers)
        return basic, sent.json["reference_id"]

    basic, own = opened("acme")
    _, theirs = opened("bolt")
    return Target(
        Vendor.TELESIGN,
        [("Authorization", basic)],
        {"sendSMSVerifyCode": {"phone_number": NUMBER[1:], "verify_code": "12345"}},
        {"/": own},
        [theirs],
    )


def _webex(house: RunningGateway, rt: Runtime) -> Target:
    def opened(account: str, sender: str) -> tuple[str, str, str]:
        key = issue(rt, account, Vendor.WEBEX, settings=ROOM[Vendor.WEBEX]).credentials["access_token"]
        headers = {"X-AUTH-KEY": key}
        sms = {"message_body": "x", "from": sender, "to": [{"phone": [NUMBER]}], "send_at": _soon()}
        sent = house.ask("POST", "/webex/v1/sms", sms, headers).json["request_id"]
        return key, sent, house.ask("GET", "/webex/assets/v1/senders", headers=headers).json["items"][-1]["id"]

    key, own, sender = opened("acme", "ACME")
    _, theirs, their_sender = opened("bolt", "BOLT")
    sms = {
        "message_body": "Hello ${name}",
        "from": "ACME",
        "to": [{"phone": [NUMBER], "merge_fields": {"name": "x"}, "correlation_id": "y"}],
        "global_merge_fields": {"name": "z"},
    }
    flat = {"id": own, "status": ["SCHEDULED"], "sort_by": "name", "page_size": 1}
    deep = {"filter": {"id": own, "status": ["SCHEDULED"]}, "sort": {"sort_by": "name"}, "page": {"page_size": 1}}
    return Target(
        Vendor.WEBEX,
        [("X-AUTH-KEY", key)],
        {"sendSms": sms, "testSms": sms, "searchScheduled": flat, "searchScheduledSms": deep},
        {"/": own, "/assets": sender},
        [theirs, their_sender],
        # fields given in their nested object are not read at the top level
        {"sendSms": ["to"], "testSms": ["to"], "searchScheduledSms": list(flat)},
    )


def _postroad(house: RunningGateway, rt: Runtime) -> Target:
    def opened(account: str, sender: str) -> tuple[list[tuple[str, str]], dict[str, str]]:
        key = issue(rt, account, Vendor.POSTROAD, settings=ROOM[Vendor.POSTROAD]).credentials["api_key"]
        headers = {"Authorization": f"Bearer {key}"}

        def made(path: str, body: Any) -> Any:
            return house.ask("POST", f"/postroad/v1/{path}", body, headers).json

        sent = made("messages", {"sender": sender, "body": "x", "recipients": [{"to": NUMBER}], "send_at": _soon()})
        ids = {
            "/v1/messages": sent["messages"][0]["id"],
            "/v1/requests": sent["request_id"],
            "/v1/templates": made("templates", {"slug": f"ours-{account}", "body": "In ${eta}."})["id"],
            "/v1/webhooks": made("webhooks", {"url": "https://93.184.215.14/", "events": ["message.sent"]})["id"],
            "/v1/campaigns": made("campaigns", {"name": "first", "sender": sender, "body": "x"})["id"],
        }
        return list(headers.items()), ids

    key, own = opened("acme", "ACME")
    _, theirs = opened("bolt", "BOLT")
    recipient = {"to": NUMBER, "merge": {"name": "Ada"}, "correlation_id": "y", "country": "NG"}
    webhook = {"url": "https://93.184.215.14/", "events": ["message.sent"], "description": "x"}
    campaign = {"sender": "ACME", "body": "Hello ${name}", "per_hour": 100, "gates": {"min_sample": 5, "failed": 0.5}}
    return Target(
        Vendor.POSTROAD,
        key,
        {
            "sendMessages": {"sender": "ACME", "body": "Hello ${name}", "merge": {"x": "y"}, "recipients": [recipient]},
            "createTemplate": {"slug": "ride", "name": "Ride", "body": "In ${eta}."},
            "replaceTemplate": {"name": "Ride", "body": "In ${eta}."},
            "createWebhook": webhook,
            "updateWebhook": webhook | {"enabled": True},
            "createCampaign": campaign | {"name": "spring"},
            "updateCampaign": campaign,
            "loadRecipients": {"recipients": [recipient]},
            "excludeRecipients": {"numbers": [NUMBER]},
            "approveCampaign": {"max_cost": "12.50"},
            "pauseCampaign": {"reason": "x"},
            "abortCampaign": {"reason": "x"},
            "limitCampaign": {"per_hour": 100, "segments_per_second": 1.5},
        },
        own,
        [*theirs.values(), "ours-bolt"],
        # a faulty recipient is stored, and reported in a 200
        {"loadRecipients": ["recipients"]},
    )


#: dialect → a function that creates a key of `acme` and returns its target
TARGETS: dict[Vendor, Callable[[RunningGateway, Runtime], Target]] = {
    Vendor.SOLARIS: _solaris,
    Vendor.ROBASE: _robase,
    Vendor.TELESIGN: _telesign,
    Vendor.WEBEX: _webex,
    Vendor.POSTROAD: _postroad,
}


def _soon() -> str:
    return (datetime.now(UTC) + timedelta(days=2)).isoformat()
