"""Robase's templates, sender ids and webhooks over HTTP."""

from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest

from pipeline.dialects.registry import DIALECTS
from pipeline.settings import Settings
from pipeline.stages.admin.account_templates import set_template
from pipeline.stages.admin.accounts import create_account
from pipeline.stages.admin.sender_registration import set_sender
from pipeline.stages.api import webhook_endpoints
from schema.vocabulary import SenderState
from tests.api.conftest import Answer, RunningGateway
from tests.dialects.vendors import Vendor, issue
from tests.world import World

Ask = Callable[..., Answer]

RIDE = {"name": "Ride arriving", "body": "Hi {{.driver_name}}, your ride arrives in {{.eta}} min."}
SENDER = {
    "sender_id": "SHUTTLERS",
    "countries": ["NG", "GH"],
    "registered_entity": "Shuttlers Technology Limited",
    "registration_doc_url": "https://bucket.example/cac.pdf",
    "use_case": "Booking confirmations",
    "sample_message": "Your ride arrives in 3 min.",
}
HOOK: dict[str, Any] = {
    "url": "https://93.184.215.14/webhooks/robase",
    "events": ["sms.delivered", "sms.failed", "email.bounced"],
    "description": "production",
}


@pytest.fixture
def ask(running_gateway: RunningGateway) -> Ask:
    """Call an operation with a live key of acme, unless another is given."""
    token = running_gateway.key(Vendor.ROBASE, settings={"rate": 1000})["api_key"]

    def call(method: str, path: str, body: Any = None, key: str | None = None) -> Answer:
        return running_gateway.ask(method, f"/robase/v1{path}", body, {"Authorization": f"Bearer {key or token}"})

    return call


@pytest.fixture
def scripted_vendor(world: World) -> str:
    """A key of another account."""
    create_account(world.rt, "other", "NGN")
    return str(issue(world.rt, "other", Vendor.ROBASE, settings={"rate": 1000}).credentials["api_key"])


def kind(answer: Answer) -> tuple[int, str, str | None]:
    return answer.status, answer.json["error"]["type"], answer.json["error"].get("field")


# Templates ------------------------------------------------------------------------------------------------------


def test_the_slug_of_a_template_is_unchanged_when_it_is_renamed(ask: Ask) -> None:
    made = ask("POST", "/sms-templates", RIDE)
    renamed = ask(
        "PATCH", f"/sms-templates/{made.json['id']}", {"name": "Arrival", "body": "{{if .late}}Late: {{end}}{{.eta}}"}
    )

    assert made.status == 201
    assert list(made.json) == ["id", "name", "slug", "body", "variables"]
    assert made.json["id"].startswith("tpl_")
    assert (made.json["slug"], made.json["variables"]) == ("ride-arriving", ["driver_name", "eta"])
    assert renamed.status == 200
    assert (renamed.json["slug"], renamed.json["name"], renamed.json["variables"]) == (
        "ride-arriving",
        "Arrival",
        ["late", "eta"],
    )
    assert ask("GET", "/sms-templates").json == {"data": [renamed.json]}
    assert ask("GET", "/sms-templates/ride-arriving").json == renamed.json


@pytest.mark.parametrize("named", ["slug", "id", "uuid"])
def test_a_message_is_rendered_from_its_template(ask: Ask, named: str) -> None:
    made = ask("POST", "/sms-templates", RIDE).json
    words = {"slug": made["slug"], "id": made["id"], "uuid": made["id"].removeprefix("tpl_")}

    reported = ask(
        "POST",
        "/sms",
        {
            "to": "+2348012345678",
            "from": "ACME",
            "body": "ignored",
            "template": words[named],
            "variables": {"driver_name": "Chidi {{.eta}} ${eta}", "eta": 3},
        },
    )

    assert (reported.status, reported.json["body"]) == (202, "Hi Chidi {{.eta}} ${eta}, your ride arrives in 3 min.")


def test_a_missing_variable_is_rendered_as_no_value(ask: Ask) -> None:
    ask("POST", "/sms-templates", RIDE)

    reported = ask("POST", "/sms", {"to": "+2348012345678", "from": "ACME", "template": "ride-arriving"})

    assert reported.json["body"] == "Hi <no value>, your ride arrives in <no value> min."


def test_rows_may_override_the_template_of_their_batch(ask: Ask) -> None:
    ask("POST", "/sms-templates", RIDE)
    ask("POST", "/sms-templates", {"name": "Short", "body": "In {{.eta}}."})
    rows = [
        {"to": "+2348012345678", "variables": {"driver_name": "A", "eta": 1}},
        {"to": "+2348012345678", "variables": {"eta": 2}, "template": "short"},
        {"to": "+2348012345678", "template": "gone"},
    ]

    reported = ask("POST", "/sms/batch", {"from": "ACME", "template": "ride-arriving", "messages": rows}).json

    assert [row["sms"]["body"] for row in reported["data"][:2]] == ["Hi A, your ride arrives in 1 min.", "In 2."]
    assert reported["data"][2]["error"] == {
        "type": "validation_error",
        "message": "template not found",
        "field": "template",
    }


def test_a_template_in_merge_syntax_is_rendered(ask: Ask, world: World) -> None:
    set_template(world.rt, "acme", "ours", "Hello ${name}, ${x}")

    reported = ask(
        "POST", "/sms", {"to": "+2348012345678", "from": "ACME", "template": "ours", "variables": {"name": "Ada"}}
    )

    assert reported.json["body"] == "Hello Ada, <no value>"


def test_rendering_a_template_sends_no_message(ask: Ask, world: World) -> None:
    made = ask("POST", "/sms-templates", RIDE).json
    variables = {"driver_name": "Chidi", "eta": 3}

    for body in ({"variables": variables}, variables):
        reported = ask("POST", f"/sms-templates/{made['id']}/render", body)
        assert reported.status == 200
        assert reported.json == {"body": "Hi Chidi, your ride arrives in 3 min.", "encoding": "GSM7", "segments": 1}
    assert ask("POST", f"/sms-templates/{made['id']}/render").json["body"].count("<no value>") == 2
    assert world.rows("SELECT id FROM messages") == []


def test_a_text_too_long_after_rendering_is_refused(ask: Ask) -> None:
    made = ask("POST", "/sms-templates", RIDE).json
    variables = {"driver_name": "x" * 1600, "eta": 3}
    asked = {"to": "+2348012345678", "from": "ACME", "template": made["slug"], "variables": variables}

    assert kind(ask("POST", "/sms", asked)) == (400, "validation_error", "body")
    assert kind(ask("POST", f"/sms-templates/{made['id']}/render", variables)) == (400, "validation_error", "body")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"name": "x", "body": '{{printf "%d" .count}}'}, "body"),
        ({"name": "x", "body": "{{range .a}}{{end}}"}, "body"),
        ({"name": "x", "body": " "}, "body"),
        ({"name": "x", "body": "y" * 1601}, "body"),
        ({"name": "x"}, "body"),
        ({"body": "x"}, "name"),
        ({"name": "—", "body": "x"}, "name"),
        ({"name": "x" * 65, "body": "x"}, "name"),
        ({"name": 7, "body": "x"}, "name"),
    ],
)
def test_an_invalid_template_is_refused(ask: Ask, body: Any, field: str) -> None:
    assert kind(ask("POST", "/sms-templates", body)) == (400, "validation_error", field)


def test_a_template_with_the_slug_of_another_is_refused(ask: Ask) -> None:
    ask("POST", "/sms-templates", RIDE)

    assert kind(ask("POST", "/sms-templates", RIDE | {"name": "Ride: arriving!"})) == (409, "conflict", "name")


def test_a_template_is_not_accessible_to_other_accounts(ask: Ask, scripted_vendor: str) -> None:
    made = ask("POST", "/sms-templates", RIDE).json

    assert ask("GET", "/sms-templates", key=scripted_vendor).json == {"data": []}
    for method, path in [("GET", ""), ("PATCH", ""), ("DELETE", ""), ("POST", "/render")]:
        assert kind(ask(method, f"/sms-templates/{made['id']}{path}", {}, scripted_vendor)) == (404, "not_found", None)


def test_a_deleted_template_is_answered_404(ask: Ask) -> None:
    made = ask("POST", "/sms-templates", RIDE).json

    first, second = (ask("DELETE", f"/sms-templates/{made['id']}") for _ in range(2))

    assert (first.status, first.body, second.status) == (204, b"", 404)


# Sender ids -----------------------------------------------------------------------------------------------------


def test_a_sender_id_can_be_changed_until_it_is_approved(
    ask: Ask, world: World, running_gateway: RunningGateway
) -> None:
    made = ask("POST", "/sender-ids", SENDER)
    mended = ask(
        "PATCH", f"/sender-ids/{made.json['id']}", {"use_case": "Receipts", "notes": "soon", "countries": ["NG"]}
    )
    trial = running_gateway.key(Vendor.ROBASE, test=True)["api_key"]
    ride = {"to": "+2348012345678", "from": "SHUTTLERS", "body": "x"}

    assert made.status == 201
    assert made.json == {"id": made.json["id"], "sender_id": "SHUTTLERS", "status": "pending"} | SENDER
    assert mended.status == 200
    assert mended.json == made.json | {"use_case": "Receipts", "notes": "soon", "countries": ["NG"]}
    assert ask("POST", "/sms", ride, trial).status == 202
    assert kind(ask("POST", "/sms", ride)) == (400, "sender_id_invalid", "from")

    set_sender(world.rt, "acme", "SHUTTLERS", SenderState.APPROVED)

    assert ask("POST", "/sms", ride).status == 202
    assert ask("GET", f"/sender-ids/{made.json['id']}").json["status"] == "approved"
    assert kind(ask("PATCH", f"/sender-ids/{made.json['id']}", {"use_case": "x"})) == (409, "conflict", None)
    assert kind(ask("POST", "/sender-ids", SENDER)) == (409, "conflict", "sender_id")
    assert [each["sender_id"] for each in ask("GET", "/sender-ids").json["data"]] == ["ACME", "SHUTTLERS"]


def test_a_rejected_sender_id_can_be_requested_again(ask: Ask, world: World) -> None:
    first = ask("POST", "/sender-ids", SENDER).json
    set_sender(world.rt, "acme", "SHUTTLERS", SenderState.REJECTED, "no such company")
    rejected = ask("GET", f"/sender-ids/{first['id']}").json

    again = ask("POST", "/sender-ids", SENDER | {"registered_entity": "Shuttlers Ltd"})

    assert (rejected["status"], rejected["rejection_reason"]) == ("rejected", "no such company")
    assert (again.status, again.json) == (201, first | {"registered_entity": "Shuttlers Ltd"})


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"sender_id": "TWELVELETTER"}, (400, "sender_id_invalid", "sender_id")),
        ({"sender_id": "a\nb"}, (400, "sender_id_invalid", "sender_id")),
        ({"countries": []}, (400, "validation_error", "countries")),
        ({"countries": ["US"]}, (400, "validation_error", "countries")),
        ({"countries": "NG"}, (400, "validation_error", "countries")),
        ({"use_case": 3}, (400, "validation_error", "use_case")),
        ({"use_case": "a\0b"}, (400, "validation_error", "use_case")),
    ],
)
def test_an_invalid_sender_id_is_refused(ask: Ask, change: Any, fault: Any) -> None:
    assert kind(ask("POST", "/sender-ids", SENDER | change)) == fault


def test_a_sender_id_is_not_accessible_to_other_accounts(ask: Ask, scripted_vendor: str) -> None:
    made = ask("POST", "/sender-ids", SENDER).json

    assert ask("GET", "/sender-ids", key=scripted_vendor).json == {"data": []}
    assert kind(ask("GET", f"/sender-ids/{made['id']}", key=scripted_vendor)) == (404, "not_found", None)
    assert kind(ask("PATCH", f"/sender-ids/{made['id']}", {}, scripted_vendor)) == (404, "not_found", None)
    assert kind(ask("GET", "/sender-ids/x")) == (404, "not_found", None)


# Webhooks -------------------------------------------------------------------------------------------------------


def test_the_secret_of_a_webhook_is_returned_only_on_creation_and_rotation(ask: Ask) -> None:
    made = ask("POST", "/webhooks", HOOK)
    seen = ask("GET", f"/webhooks/{made.json['id']}")
    rotated = ask("POST", f"/webhooks/{made.json['id']}/rotate-secret")

    assert made.status == 201
    assert list(made.json) == ["id", "url", "events", "description", "enabled", "created_at", "secret"]
    assert made.json["secret"].startswith("whsec_")
    assert {name: made.json[name] for name in ("url", "description", "enabled")} == {
        "url": HOOK["url"],
        "description": "production",
        "enabled": True,
    }
    assert sorted(made.json["events"]) == sorted(HOOK["events"])
    assert seen.json == {name: value for name, value in made.json.items() if name != "secret"}
    assert rotated.status == 200
    assert rotated.json == seen.json | {"secret": rotated.json["secret"]}
    assert rotated.json["secret"] != made.json["secret"]
    assert ask("GET", "/webhooks").json == {"data": [seen.json]}


def test_a_webhook_is_updated_disabled_and_deleted(ask: Ask, world: World) -> None:
    made = ask("POST", "/webhooks", HOOK).json

    changed = ask("PATCH", f"/webhooks/{made['id']}", {"events": ["sms.sent"], "name": "other", "enabled": False})
    gone = ask("DELETE", f"/webhooks/{made['id']}")

    assert (changed.status, changed.json["events"], changed.json["description"]) == (200, ["sms.sent"], "other")
    assert (changed.json["enabled"], changed.json["url"]) == (False, HOOK["url"])
    assert (gone.status, gone.body) == (204, b"")
    assert world.rows("SELECT id FROM webhook_endpoints") == []
    assert kind(ask("DELETE", f"/webhooks/{made['id']}")) == (404, "not_found", None)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"url": "http://93.184.215.14/"}, "url"),
        ({"url": "https://127.0.0.1/"}, "url"),
        ({"url": "ftp://x"}, "url"),
        ({"url": 7}, "url"),
        ({"events": []}, "events"),
        ({"events": ["sms.eaten"]}, "events"),
        ({"events": None}, "events"),
    ],
)
def test_a_webhook_with_an_invalid_url_or_event_is_refused(
    ask: Ask, settings: Settings, change: Any, field: str
) -> None:
    made = ask("POST", "/webhooks", HOOK).json

    assert kind(ask("POST", "/webhooks", HOOK | change)) == (400, "validation_error", field)
    if change != {"events": None}:
        assert kind(ask("PATCH", f"/webhooks/{made['id']}", change)) == (400, "validation_error", field)


def test_webhooks_of_other_accounts_and_dialects_are_answered_404(ask: Ask, world: World, scripted_vendor: str) -> None:
    made = ask("POST", "/webhooks", HOOK).json["id"]
    foreign, _ = webhook_endpoints.create(
        world.rt, world.account, DIALECTS[Vendor.WEBEX], HOOK["url"], verify=lambda *_: None
    )

    for id_, key in [(made, scripted_vendor), (str(foreign.id), None), (str(uuid4()), None), ("x", None)]:
        for method, path in [("GET", ""), ("PATCH", ""), ("DELETE", ""), ("POST", "/rotate-secret")]:
            assert kind(ask(method, f"/webhooks/{id_}{path}", {}, key)) == (404, "not_found", None)
    assert [each["id"] for each in ask("GET", "/webhooks").json["data"]] == [made]
    assert str(UUID(made)) == made


def test_webhooks_beyond_the_limit_of_an_account_are_refused(ask: Ask) -> None:
    for _ in range(webhook_endpoints.MOST):
        assert ask("POST", "/webhooks", HOOK).status == 201

    assert kind(ask("POST", "/webhooks", HOOK)) == (409, "conflict", None)


# Audit log ------------------------------------------------------------------------------------------------------


def test_changes_by_an_api_key_are_recorded_in_the_audit_log(ask: Ask, world: World) -> None:
    made = ask("POST", "/sms-templates", RIDE)
    ask("GET", "/sms-templates")
    ask("DELETE", f"/sms-templates/{made.json['id']}")

    [key] = world.rows("SELECT id::text FROM api_keys")
    entered = world.rows(
        "SELECT actor_kind, actor, origin, action, subject FROM audit_log WHERE subject_table = 'templates' ORDER BY id"
    )
    assert entered == [
        ("api_key", key, "127.0.0.1", f"robase {action}", f"{world.account} ride-arriving")
        for action in ("POST /v1/sms-templates", "DELETE /v1/sms-templates/{id}")
    ]
