"""Webex Interact's API over HTTP: scheduled requests, the account, and its senders."""

from typing import Any

import pytest

from pipeline.rules.identity import ksuids
from pipeline.stages.admin.accounts import create_account
from pipeline.stages.admin.sender_registration import set_sender
from pipeline.stages.deliver import deliver
from pipeline.stages.promote import promote
from schema.vocabulary import SenderState
from tests.api.conftest import RunningGateway
from tests.api.test_webex_messages import PLAIN, Ask, Send, ask, send, soon, token
from tests.dialects.vendors import Vendor, issue
from tests.world import World

__all__ = ["ask", "send", "token"]


def carry_all(world: World) -> None:
    """Do what the workers would."""
    promote(world.rt)
    batches = world.rows("SELECT id FROM batches WHERE status = 'queued'")
    while batches:
        batches = [hint.batch for hint in deliver(world.rt, batches)]


# Scheduled requests -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/campaigns/v1/cancel/", "/v1/sms/scheduled/"])
def test_a_scheduled_request_is_cancelled_once(world: World, ask: Ask, send: Send, path: str) -> None:
    request = send(to=[{"phone": ["+447700900123", "+447700900124"]}], send_at=soon(hours=1))["request_id"]

    done, again = ask("DELETE", path + request), ask("DELETE", path + request)

    assert (done.status, done.body) == (204, b"")
    assert (again.status, again.json["errors"]) == (
        400,
        [{"message": "the request is no longer scheduled", "field": "id"}],
    )
    assert world.rows("SELECT DISTINCT status FROM messages") == ["cancelled"]
    assert world.balance() == 1_000_000


def test_requests_that_are_sent_unknown_or_of_another_account_cannot_be_cancelled(
    world: World, running_gateway: RunningGateway, ask: Ask, send: Send
) -> None:
    create_account(world.rt, "other", "GBP")
    scripted_vendor = key_of(world, "other")
    sent, waiting = send()["request_id"], send(send_at=soon(hours=1))["request_id"]

    assert ask("DELETE", f"/campaigns/v1/cancel/{sent}").status == 400
    assert ask("DELETE", f"/campaigns/v1/cancel/{waiting}", key=scripted_vendor).status == 404
    for word in ("aps_2rLDt24N3TpQklpvfI6qN9rwHa0", "nonsense", "%00"):
        assert ask("DELETE", f"/campaigns/v1/cancel/{word}").status == 404
    assert world.rows("SELECT status FROM batches ORDER BY id") == ["queued", "scheduled"]


def key_of(world: World, account: str) -> str:
    return issue(world.rt, account, Vendor.WEBEX).credentials["access_token"]


@pytest.mark.parametrize("path", ["/campaigns/v1/scheduled", "/v1/sms/scheduled/search"])
def test_scheduled_requests_are_found_with_their_current_status(world: World, ask: Ask, send: Send, path: str) -> None:
    send()  # went at once
    later, soonest, gone = (send(send_at=soon(hours=hours), message_body=f"in {hours}") for hours in (3, 1, 2))
    ask("DELETE", f"/campaigns/v1/cancel/{gone['request_id']}")
    days = {"scheduled_at_start": soon(days=-1), "scheduled_at_end": soon(days=1)}

    def found(**asked: Any) -> list[tuple[str, str]]:
        answer = ask("POST", path, {"filter": days, "sort": {"sort_by": "scheduled_at", "sort_order": "ASC"}} | asked)
        assert answer.status == 200, answer.body
        return [(each["message_body"], each["status"]) for each in answer.json["items"]]

    assert found() == [("in 1", "SCHEDULED"), ("in 2", "DELETED"), ("in 3", "SCHEDULED")]
    assert found(filter={"id": later["request_id"]}) == [("in 3", "SCHEDULED")]
    assert found(filter=days | {"status": ["DELETED"]}) == [("in 2", "DELETED")]
    assert found(page={"page_size": 1, "page_number": 3}) == [("in 3", "SCHEDULED")]
    assert found(filter={"created_at_start": soon(days=-2), "created_at_end": soon(days=-1)}) == []
    assert found(filter=days | {"request_types": ["CAMPAIGN"]}) == []

    world.run("UPDATE requests SET send_at = now() WHERE id = %(id)s", id=ksuids.read("aps_", soonest["request_id"]))
    assert found(filter={"id": soonest["request_id"]}) == [("in 1", "IN_PROGRESS")]
    world.make_due()
    carry_all(world)
    assert found(filter={"id": soonest["request_id"]}) == [("in 1", "SENT")]


def test_a_scheduled_request_whose_messages_all_failed_has_the_status_error(world: World, ask: Ask, send: Send) -> None:
    world.add_carrier("alpha", {"refuse": 1.0})
    request = send(send_at=soon(hours=1))["request_id"]
    world.make_due()
    carry_all(world)

    [item] = ask("POST", "/campaigns/v1/scheduled", {"filter": {"id": request}}).json["items"]

    assert (item["id"], item["status"], item["type"]) == (request, "ERROR", "API")


def test_a_search_without_id_or_dates_is_refused(ask: Ask) -> None:
    answer = ask("POST", "/campaigns/v1/scheduled", {"filter": {"status": ["SENT"]}})

    assert answer.status == 400
    assert answer.json["errors"] == [{"message": "either id or a date range is required", "field": "id"}]
    assert len(answer.json["trace_id"]) == 16


# The account and its senders ----------------------------------------------------------------------------------


def test_the_account_is_returned_with_its_balance(world: World, ask: Ask) -> None:
    answer = ask("GET", "/identity/v1/account")

    assert answer.status == 200
    assert list(answer.json) == ["account_uid", "account_status", "home_region", "time_zone", "default_currency",
                                 "account_balance", "created"]  # fmt: skip
    assert (answer.json["default_currency"], answer.json["account_balance"]) == ("NGN", 10_000)


def test_senders_are_listed_read_and_deleted(world: World, ask: Ask) -> None:
    set_sender(world.rt, "acme", "ACME2", SenderState.PENDING)

    listed = ask("GET", "/assets/v1/senders/?page_number=1&page_size=1").json
    assert listed["paging"] == {"current_page": 1, "total_items": 2, "total_pages": 2}
    [first] = listed["items"]
    assert (first["name"], first["status"]) == ("ACME", "Verified")
    assert ask("GET", f"/assets/v1/senders/{first['id']}").json == first

    gone = ask("DELETE", f"/assets/v1/senders/{first['id']}")
    assert (gone.status, gone.body) == (204, b"")
    assert [each["name"] for each in ask("GET", "/assets/v1/senders").json["items"]] == ["ACME2"]
    assert ask("POST", "/v1/sms", PLAIN).status == 400


@pytest.mark.parametrize(
    "word", ["ssd_2rLDt24N3TpQklpvfI6qN9rwHa0", "nonsense", "%00", "aps_2rLDt24N3TpQklpvfI6qN9rwHa0"]
)
@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_an_unknown_sender_is_answered_404(ask: Ask, method: str, word: str) -> None:
    answer = ask(method, f"/assets/v1/senders/{word}")

    assert (answer.status, answer.json["errors"]) == (404, [{"message": "Not found"}])


def test_an_invalid_page_size_is_refused(ask: Ask) -> None:
    answer = ask("GET", "/assets/v1/senders/?page_size=101")

    assert answer.status == 400
    assert answer.json["errors"] == [{"message": "must be a whole number from 1 to 100", "field": "page_size"}]
