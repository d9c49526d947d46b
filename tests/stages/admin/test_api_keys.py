"""API keys: their settings fit their API, and events are written as long as a key needs them."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from pydantic import SecretStr

from pipeline.dialects.registry import DIALECTS
from pipeline.errors import ConfigurationError, Conflict, InvalidInput, NotFound
from pipeline.runtime import Runtime
from pipeline.settings import Settings
from pipeline.stages.admin.accounts import create_account
from pipeline.stages.admin.api_keys import IssuedKey, list_keys, revoke, rotate_key
from pipeline.stages.api import webhook_endpoints
from pipeline.stages.api.verification import challenge, open_challenges
from pipeline.stages.hourly_maintenance import maintain
from tests.dialects.vendors import Vendor, issue
from tests.world import World


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"secret_key": SecretStr("a secret of these tests, long enough")})


@pytest.fixture
def nowhere() -> Iterator[Runtime]:
    """A runtime whose database nobody ever finds: what is refused on it is refused before anything is looked up."""
    runtime = Runtime(Settings(database_url="postgresql://nobody@127.0.0.1:1/nothing"))
    yield runtime
    runtime.close()


def subscribes(world: World) -> bool:
    return bool(world.rows("SELECT subscribes FROM accounts")[0])


def callback(world: World, key: IssuedKey) -> None:
    """Send a code whose callback is still to be told."""
    ends = world.rt.now()
    url = "https://hooks.example.org/sms"
    made = challenge(
        world.rt,
        world.rt.new_ids(),
        world.account,
        "1234567",
        expires_at=ends,
        max_attempts=3,
        key_id=key.id,
        callback_url=url,
    )
    open_challenges(world.rt, [made])


# Settings ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dialect", "settings_", "name"),
    [
        (Vendor.SOLARIS, {"recipient_burst": 0}, "recipient_burst"),
        (Vendor.ROBASE, {"rate": "fast"}, "rate"),
        (Vendor.TELESIGN, {"tolerance": 3600}, "tolerance"),
        (Vendor.WEBEX, {"time_zone": 1}, "time_zone"),
        (Vendor.WEBEX, {"recipient_burst": 5}, "recipient_burst"),
    ],
)
def test_an_invalid_setting_of_a_key_is_refused_by_name_without_database_access(
    nowhere: Runtime, dialect: Vendor, settings_: dict[str, Any], name: str
) -> None:
    with pytest.raises(ConfigurationError, match=f"'{name}'"):
        issue(nowhere, "acme", dialect, settings=settings_)


def test_the_settings_of_a_key_are_stored_as_the_types_of_its_api(world: World) -> None:
    issue(world.rt, "acme", Vendor.SOLARIS, settings={"sender": 811, "rate": 2.5})

    [row] = list_keys(world.rt, "acme")
    assert row["settings"] == {"sender": "811", "rate": 2.5}


# Rotation ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dialect", list(Vendor))
def test_a_rotated_key_has_a_successor_like_it_and_both_are_valid_for_a_while(world: World, dialect: Vendor) -> None:
    now = world.rt.now()
    scopes = DIALECTS[dialect].scopes[:1]
    old = issue(
        world.rt, "acme", dialect, test=True, name="shop", scopes=scopes, networks=["10.0.0.0/8"], settings={"rate": 7}
    )

    new = rotate_key(world.rt, "acme", old.id, DIALECTS, until=now + timedelta(days=7))

    first, second = list_keys(world.rt, "acme")
    assert set(new.credentials) == set(old.credentials)
    assert not set(new.credentials.values()) & set(old.credentials.values())
    assert (first["expires_at"], second["expires_at"]) == (now + timedelta(days=7), None)
    assert (first["replaces"], second["replaces"]) == (None, old.id)
    assert (first["in_force"], second["in_force"]) == (True, True)
    for name in ("dialect", "name", "test", "scopes", "networks", "settings"):
        assert first[name] == second[name]


def test_a_successor_lives_as_long_as_the_key_that_it_replaces(world: World) -> None:
    now = world.rt.now()
    old = issue(world.rt, "acme", Vendor.ROBASE, expires_at=now + timedelta(days=90))

    new = rotate_key(world.rt, "acme", old.id, DIALECTS, until=now + timedelta(days=365))
    other = rotate_key(
        world.rt, "acme", new.id, DIALECTS, until=now + timedelta(days=1), expires_at=now + timedelta(days=30)
    )

    rows = list_keys(world.rt, "acme")
    assert new.expires_at
    assert abs(new.expires_at - now - timedelta(days=90)) < timedelta(hours=1)
    assert [row["expires_at"] for row in rows] == [
        *(now + timedelta(days=90), now + timedelta(days=1), now + timedelta(days=30))
    ]
    assert other.expires_at == now + timedelta(days=30)


def test_a_key_is_rotated_once_and_only_while_it_is_in_force(world: World) -> None:
    later = world.rt.now() + timedelta(days=7)
    one, two, three = (issue(world.rt, "acme", Vendor.ROBASE) for _ in range(3))
    new = rotate_key(world.rt, "acme", one.id, DIALECTS, until=later)
    revoke(world.rt, "acme", two.id)
    world.run("UPDATE api_keys SET expires_at = now() WHERE id = %(id)s", id=three.id)
    create_account(world.rt, "other", "NGN")

    with pytest.raises(Conflict, match=f"is being replaced by key {new.id}"):
        rotate_key(world.rt, "acme", one.id, DIALECTS, until=later)
    for account, key in (("acme", two.id), ("acme", three.id), ("acme", 999), ("other", new.id)):
        with pytest.raises(NotFound, match="in force"):
            rotate_key(world.rt, account, key, DIALECTS, until=later)
    with pytest.raises(InvalidInput, match="has passed"):
        rotate_key(world.rt, "acme", new.id, DIALECTS, until=world.rt.now())
    revoke(world.rt, "acme", new.id)
    assert rotate_key(world.rt, "acme", one.id, DIALECTS, until=later).id > new.id


# Events --------------------------------------------------------------------------------------------------------


def test_events_are_written_until_the_last_key_that_needs_them_is_revoked(world: World) -> None:
    first, second = (issue(world.rt, "acme", Vendor.TELESIGN) for _ in range(2))
    other = issue(world.rt, "acme", Vendor.ROBASE)
    with_all = subscribes(world)

    revoke(world.rt, "acme", other.id)
    revoke(world.rt, "acme", first.id)
    with_one = subscribes(world)
    revoke(world.rt, "acme", second.id)

    assert [with_all, with_one, subscribes(world)] == [True, True, False]


def test_events_are_written_until_the_last_key_that_needs_them_has_expired(world: World) -> None:
    issue(world.rt, "acme", Vendor.TELESIGN, expires_at=world.rt.now() + timedelta(days=1))
    maintain(world.rt)
    before = subscribes(world)
    world.run("UPDATE api_keys SET expires_at = now()")

    maintain(world.rt)

    assert [before, subscribes(world)] == [True, False]


def test_revoking_the_last_key_does_not_stop_events_while_a_webhook_endpoint_exists(world: World) -> None:
    key = issue(world.rt, "acme", Vendor.TELESIGN)
    webhook_endpoints.create(world.rt, world.account, DIALECTS[Vendor.ROBASE], "https://hooks.example.org/sms")

    revoke(world.rt, "acme", key.id)

    assert subscribes(world)


def test_events_of_a_promised_callback_are_written_after_its_key_is_revoked(world: World) -> None:
    key = issue(world.rt, "acme", Vendor.TELESIGN)
    callback(world, key)

    revoke(world.rt, "acme", key.id)
    maintain(world.rt)
    promised = subscribes(world)
    world.run("UPDATE challenges SET created_at = now() - interval '8 days'")
    maintain(world.rt)

    assert [promised, subscribes(world)] == [True, False]


def test_maintenance_does_not_unsubscribe_an_account_whose_key_needs_events(world: World) -> None:
    issue(world.rt, "acme", Vendor.TELESIGN)

    maintain(world.rt)

    assert subscribes(world)


def test_revoking_an_unknown_key_changes_nothing(world: World) -> None:
    key = issue(world.rt, "acme", Vendor.TELESIGN)

    with pytest.raises(NotFound, match="has no key"):
        revoke(world.rt, "acme", key.id + 1)

    assert subscribes(world)
