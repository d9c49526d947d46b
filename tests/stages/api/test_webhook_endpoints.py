"""Webhook endpoints, their secrets, and whether an account's events are written."""

from typing import Any
from uuid import uuid4

import pytest
from pydantic import SecretStr
from sqlalchemy import QueuePool

from pipeline.dialects.registry import DIALECTS
from pipeline.errors import NotFound
from pipeline.settings import Settings
from pipeline.stages.api import webhook_endpoints
from pipeline.stages.api.webhook_endpoints import HandshakeRefused, TooMany, UrlForbidden
from schema.vocabulary import EndpointState
from tests.dialects.vendors import Vendor
from tests.world import World

URL = "https://hooks.example.org/sms"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"secret_key": SecretStr("a secret of these tests, long enough")})


def subscribes(world: World) -> bool:
    return bool(world.rows("SELECT subscribes FROM accounts")[0])


def make(world: World, **fields: Any) -> tuple[webhook_endpoints.Endpoint, str]:
    return webhook_endpoints.create(world.rt, world.account, DIALECTS[Vendor.ROBASE], URL, **fields)


def test_an_endpoint_is_created_with_a_secret_that_is_stored_encrypted(world: World) -> None:
    made, secret = make(world, events=["sms.sent", "sms.failed"], description="ours")

    assert secret.startswith("whsec_")
    assert (made.url, made.events, made.state) == (URL, ("sms.failed", "sms.sent"), EndpointState.ACTIVE)
    [sealed] = world.rows("SELECT sealed FROM webhook_endpoints")
    assert secret.encode() not in sealed
    assert world.rt.vault.open("endpoint", sealed) == secret.encode()
    assert webhook_endpoints.list_all(world.rt, world.account) == webhook_endpoints.list_all(world.rt, None) == [made]


def test_an_account_subscribes_to_events_only_while_it_has_an_endpoint(world: World) -> None:
    before = subscribes(world)
    one, _ = make(world)
    other, _ = make(world)
    with_two = subscribes(world)

    webhook_endpoints.remove(world.rt, world.account, one.id)
    with_one = subscribes(world)
    webhook_endpoints.remove(world.rt, world.account, other.id)

    assert [before, with_two, with_one, subscribes(world)] == [False, True, True, False]


def test_a_telesign_endpoint_has_no_secret_of_its_own(world: World) -> None:
    made, secret = webhook_endpoints.create(world.rt, world.account, DIALECTS[Vendor.TELESIGN], URL)

    assert secret == ""
    assert webhook_endpoints.rotate_secret(world.rt, world.account, made.id) is None


def test_an_endpoint_of_another_account_is_not_found(world: World) -> None:
    made, _ = make(world)
    scripted_vendor = world.account + 1

    assert webhook_endpoints.find(world.rt, scripted_vendor, made.id) is None
    assert (
        webhook_endpoints.change(
            world.rt, scripted_vendor, DIALECTS[Vendor.ROBASE], made.id, url="https://evil.example/"
        )
        is None
    )
    assert webhook_endpoints.rotate_secret(world.rt, scripted_vendor, made.id) is None
    assert webhook_endpoints.resume(world.rt, scripted_vendor, made.id) is None
    assert not webhook_endpoints.remove(world.rt, scripted_vendor, made.id)
    assert not webhook_endpoints.remove(world.rt, world.account, uuid4())
    assert webhook_endpoints.find(world.rt, world.account, made.id) == made


def test_fields_that_are_not_given_are_not_changed(world: World) -> None:
    made, _ = make(world, events=["sms.sent"], description="ours")

    changed = webhook_endpoints.change(
        world.rt, world.account, DIALECTS[Vendor.ROBASE], made.id, url="https://other.example/"
    )
    emptied = webhook_endpoints.change(
        world.rt, world.account, DIALECTS[Vendor.ROBASE], made.id, events=[], state=EndpointState.SUSPENDED
    )

    assert changed
    assert (changed.url, changed.events, changed.description) == ("https://other.example/", ("sms.sent",), "ours")
    assert emptied
    assert (emptied.events, emptied.state) == ((), EndpointState.SUSPENDED)
    resumed = webhook_endpoints.resume(world.rt, world.account, made.id)
    assert resumed
    assert resumed.state is EndpointState.ACTIVE


def test_rotating_a_secret_keeps_the_previous_one(world: World) -> None:
    made, first = make(world)

    rotated = webhook_endpoints.rotate_secret(world.rt, world.account, made.id)

    assert rotated
    found, second = rotated
    assert found.rotated_at
    [(sealed, before)] = world.rows("SELECT sealed, sealed_previous FROM webhook_endpoints")
    opened = [world.rt.vault.open("endpoint", each).decode() for each in (sealed, before)]
    assert opened == [second, first]


@pytest.mark.parametrize("url", ["http://example.org/", "https://10.0.0.1/", "https://u:p@example.org/"])
def test_a_url_that_may_not_be_called_is_refused(world: World, url: str) -> None:
    made, _ = make(world)

    with pytest.raises(UrlForbidden, match="the URL"):
        webhook_endpoints.create(world.rt, world.account, DIALECTS[Vendor.ROBASE], url)
    with pytest.raises(UrlForbidden, match="the URL"):
        webhook_endpoints.change(world.rt, world.account, DIALECTS[Vendor.ROBASE], made.id, url=url)


def test_an_account_has_a_maximum_number_of_endpoints(world: World) -> None:
    for _ in range(webhook_endpoints.MOST):
        make(world)

    with pytest.raises(TooMany):
        make(world)


def test_an_account_is_found_by_name(world: World) -> None:
    assert webhook_endpoints.account_of(world.rt, "acme") == world.account
    with pytest.raises(NotFound):
        webhook_endpoints.account_of(world.rt, "nobody")


# Handshakes ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dialect", Vendor)
def test_only_solaris_and_webex_make_a_handshake_before_an_endpoint_is_created(world: World, dialect: Vendor) -> None:
    asked: list[Any] = []
    pool = world.rt.engine.pool
    assert isinstance(pool, QueuePool)

    def verify(*words: Any) -> None:
        [written] = world.rows("SELECT count(*) FROM webhook_endpoints")
        asked.append((*words, written, pool.checkedout()))

    made, _ = webhook_endpoints.create(world.rt, world.account, DIALECTS[dialect], URL, verify=verify)

    assert webhook_endpoints.list_all(world.rt, None) == [made]
    # no row was there when it was called, nor any transaction open
    assert asked == ([(dialect, URL, 0, 0)] if DIALECTS[dialect].handshake else [])


def test_an_endpoint_whose_handshake_fails_is_not_created(world: World) -> None:
    with pytest.raises(HandshakeRefused, match=r"no webhook was made: https://hooks\.example\.org/sms answered 404"):
        webhook_endpoints.create(world.rt, world.account, DIALECTS[Vendor.WEBEX], URL, verify=lambda *_: "answered 404")
    with pytest.raises(HandshakeRefused, match="was not verified"):
        webhook_endpoints.create(world.rt, world.account, DIALECTS[Vendor.SOLARIS], URL)

    assert webhook_endpoints.list_all(world.rt, None) == []
    assert not subscribes(world)


def test_a_url_that_may_not_be_called_gets_no_handshake(world: World) -> None:
    def verify(*_: Any) -> str:
        raise AssertionError("it was called")

    with pytest.raises(UrlForbidden):
        webhook_endpoints.create(world.rt, world.account, DIALECTS[Vendor.WEBEX], "https://10.0.0.1/", verify=verify)


def test_the_url_of_an_endpoint_with_a_handshake_cannot_be_changed(world: World) -> None:
    made, _ = webhook_endpoints.create(world.rt, world.account, DIALECTS[Vendor.SOLARIS], URL, verify=lambda *_: None)

    with pytest.raises(UrlForbidden, match="cannot change"):
        webhook_endpoints.change(
            world.rt, world.account, DIALECTS[Vendor.SOLARIS], made.id, url="https://other.example/"
        )
    same = webhook_endpoints.change(
        world.rt, world.account, DIALECTS[Vendor.SOLARIS], made.id, url=URL, description="ours"
    )

    assert same
    assert (same.url, same.description) == (URL, "ours")
