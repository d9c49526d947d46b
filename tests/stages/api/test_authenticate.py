"""Authentication: the order of its checks, and that a denied request spends neither nonce nor rate limit."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
import redis
from pydantic import SecretStr

from pipeline.errors import ConfigurationError, InvalidInput, NotFound
from pipeline.runtime import Runtime
from pipeline.settings import Settings
from pipeline.stages.admin.accounts import set_account_state
from pipeline.stages.admin.api_keys import list_keys, revoke
from pipeline.stages.api.authenticate import Credentials, Denied, authenticate
from schema.api import ApiKey
from schema.vocabulary import AccountState, Code
from tests.dialects.vendors import Vendor, issue
from tests.world import World

MakeCredentials = Callable[..., Credentials]


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"secret_key": SecretStr("a secret of these tests, long enough")})


@pytest.fixture(autouse=True)
def _forgotten(settings: Settings) -> None:
    """Nobody has called yet: tests have databases of their own, and one Valkey in which keys have the same numbers."""
    with redis.Redis.from_url(settings.broker_url.get_secret_value()) as valkey:
        for pattern in ("postroad:limit:*", "postroad:nonce:*"):
            for word in valkey.scan_iter(pattern):
                valkey.delete(word)


@pytest.fixture
def credentials(rt: Runtime) -> MakeCredentials:
    """Makes the credentials of a call with a Robase key of the account."""

    def make(token: str, **fields: Any) -> Credentials:
        given = Credentials(
            dialect=Vendor.ROBASE,
            handle=rt.vault.digest("key", Vendor.ROBASE, token).hex(),
            source="203.0.113.7",
            endpoint=f"send-{uuid4()}",
            rate=100.0,
            burst=100,
            verify=lambda _key: None,
        )
        return replace(given, **fields)

    return make


def key_of(found: ApiKey | Denied) -> ApiKey:
    assert isinstance(found, ApiKey)
    return found


def token(world: World, **properties: Any) -> str:
    return str(issue(world.rt, "acme", Vendor.ROBASE, **properties).credentials["api_key"])


def test_an_authenticated_key_has_its_account_scopes_and_settings(world: World, credentials: MakeCredentials) -> None:
    word = token(world, test=True, scopes=["sending"], settings={"rate": 5}, name="the shop")

    [key] = authenticate(world.rt, [credentials(word)])

    assert isinstance(key, ApiKey)
    assert (key.owner, key.account, key.currency) == ("acme", world.account, "NGN")
    assert (key.test, key.scopes, key.settings) == (True, frozenset({"sending"}), {"rate": 5})
    assert word.startswith("rb_test_")


def test_requests_authenticated_together_are_answered_in_order(world: World, credentials: MakeCredentials) -> None:
    words = [token(world), "rb_live_of_nobody", token(world)]

    found = authenticate(world.rt, [credentials(word) for word in words])

    assert [type(each) for each in found] == [ApiKey, Denied, ApiKey]
    assert key_of(found[0]).id != key_of(found[2]).id


def test_a_revoked_key_is_denied_from_the_next_request_on(world: World, credentials: MakeCredentials) -> None:
    word = token(world)
    [found] = authenticate(world.rt, [credentials(word)])
    key = key_of(found)

    revoke(world.rt, "acme", key.id)

    assert authenticate(world.rt, [credentials(word)]) == [Denied(Code.UNAUTHENTICATED)]
    assert list_keys(world.rt, "acme")[0]["revoked_at"]
    with pytest.raises(NotFound, match="no key"):
        revoke(world.rt, "acme", key.id)


def test_a_key_is_denied_from_the_time_on_at_which_it_expires(
    world: World, credentials: MakeCredentials, monkeypatch: pytest.MonkeyPatch
) -> None:
    ends = world.rt.now() + timedelta(days=90)
    word = token(world, expires_at=ends)

    monkeypatch.setattr(world.rt, "now", lambda: ends - timedelta(microseconds=1))
    key_of(authenticate(world.rt, [credentials(word)])[0])
    monkeypatch.setattr(world.rt, "now", lambda: ends)

    assert authenticate(world.rt, [credentials(word)]) == [Denied(Code.UNAUTHENTICATED)]
    with pytest.raises(InvalidInput, match="has passed"):
        token(world, expires_at=ends)
    [row] = list_keys(world.rt, "acme")
    assert (row["expires_at"], row["in_force"]) == (ends, False)


def test_the_last_use_of_a_key_is_written_once_an_hour_and_not_in_the_audit_log(
    world: World, credentials: MakeCredentials, monkeypatch: pytest.MonkeyPatch
) -> None:
    word, unused = token(world), token(world)
    began = world.rt.now()
    versions = []
    for minutes in (0, 1, 59, 61, 62):
        monkeypatch.setattr(world.rt, "now", lambda minutes=minutes: began + timedelta(minutes=minutes))
        calls = [credentials(word), credentials(word), credentials("rb_live_of_nobody")]
        calls += [credentials(unused, verify=lambda _key: "a wrong signature")]
        authenticate(world.rt, calls)
        versions += world.rows("SELECT xmin::text FROM api_keys ORDER BY id LIMIT 1")

    assert versions[0] == versions[1] == versions[2] != versions[3] == versions[4]
    assert [row["last_used_at"] for row in list_keys(world.rt, "acme")] == [began + timedelta(minutes=61), None]
    assert world.rows("SELECT action FROM audit_log WHERE subject_table = 'api_keys'") == ["insert", "insert"]


def test_calls_are_answered_while_the_last_use_cannot_be_written(world: World, credentials: MakeCredentials) -> None:
    word = token(world)
    world.run(
        "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no space'; END $$"
    )
    world.run("CREATE TRIGGER full_disk BEFORE UPDATE ON api_keys FOR EACH ROW EXECUTE FUNCTION full_disk()")

    key_of(authenticate(world.rt, [credentials(word)])[0])

    assert [row["last_used_at"] for row in list_keys(world.rt, "acme")] == [None]


def test_no_secret_of_a_key_is_stored_in_plain_text(world: World) -> None:
    secrets = [issue(world.rt, "acme", dialect).credentials for dialect in Vendor]

    kept = repr(world.rows("SELECT k::text FROM api_keys AS k"))

    shown = {name: word for each in secrets for name, word in each.items()}
    assert set(shown) == {"client_id", "client_secret", "api_key", "customer_id", "access_token"}
    for name in ("client_secret", "api_key", "access_token"):
        assert shown[name] not in kept
    assert not any(word in kept for each in secrets for name, word in each.items() if name == "api_key")


def test_a_key_of_a_suspended_account_is_denied_as_account_suspended(
    world: World, credentials: MakeCredentials
) -> None:
    word = token(world)
    set_account_state(world.rt, "acme", AccountState.SUSPENDED)

    assert authenticate(world.rt, [credentials(word)]) == [Denied(Code.ACCOUNT_SUSPENDED)]


@pytest.mark.parametrize(
    ("source", "comes_in"),
    [
        ("203.0.113.7", True),
        ("203.0.114.7", False),
        ("2001:db8::1", True),
        ("2001:db9::1", False),
        ("::ffff:203.0.113.7", True),
        ("", False),
        ("nonsense", False),
    ],
)
def test_a_key_restricted_to_networks_is_denied_from_other_addresses(
    world: World, credentials: MakeCredentials, source: str, comes_in: bool
) -> None:
    word = token(world, networks=["203.0.113.0/24", "2001:db8::/64"])

    [found] = authenticate(world.rt, [credentials(word, source=source)])

    assert found == Denied(Code.SOURCE_FORBIDDEN) if not comes_in else isinstance(found, ApiKey)


def test_a_failed_signature_spends_neither_nonce_nor_rate_limit(world: World, credentials: MakeCredentials) -> None:
    word, nonce, endpoint = token(world), str(uuid4()), f"verify-{uuid4()}"
    common = {"nonce": nonce, "nonce_seconds": 60, "endpoint": endpoint, "rate": 0.001, "burst": 1}

    forged = authenticate(world.rt, [credentials(word, verify=lambda _key: "a forger", **common)])
    genuine = authenticate(world.rt, [credentials(word, **common)])

    assert forged == [Denied(Code.UNAUTHENTICATED, proof="a forger")]
    assert isinstance(genuine[0], ApiKey)


def test_a_nonce_is_accepted_once_for_each_key(world: World, credentials: MakeCredentials) -> None:
    nonce = {"nonce": str(uuid4()), "nonce_seconds": 60}
    mine, other = token(world), token(world)

    together = authenticate(
        world.rt, [credentials(mine, **nonce), credentials(mine, **nonce), credentials(other, **nonce)]
    )

    assert [isinstance(each, ApiKey) for each in together] == [True, False, True]
    assert together[1] == Denied(Code.CONFLICT)
    assert authenticate(world.rt, [credentials(mine, **nonce)]) == [Denied(Code.CONFLICT)]


def test_a_key_over_its_rate_limit_is_denied_with_a_wait_time(world: World, credentials: MakeCredentials) -> None:
    word = token(world)
    calls = [credentials(word, endpoint="send", rate=1.0, burst=3) for _ in range(5)]

    found = authenticate(world.rt, calls)

    assert [isinstance(each, ApiKey) for each in found] == [True, True, True, False, False]
    assert isinstance(found[3], Denied)
    assert found[3].code is Code.RATE_KEY
    assert 0 < found[3].wait <= 1.0
    assert isinstance(authenticate(world.rt, [credentials(word, endpoint="list", rate=1.0, burst=3)])[0], ApiKey)


def test_the_rate_of_a_key_overrides_the_rate_of_the_endpoint(world: World, credentials: MakeCredentials) -> None:
    word = token(world, settings={"rate": 2, "burst": 5})

    found = authenticate(world.rt, [credentials(word, endpoint="send", rate=1.0, burst=1) for _ in range(6)])

    assert [isinstance(each, ApiKey) for each in found] == [True] * 5 + [False]


def test_without_valkey_requests_are_authenticated_but_those_with_a_nonce_are_denied(
    world: World, credentials: MakeCredentials, settings: Settings
) -> None:
    word = token(world)
    lost = Runtime(settings.model_copy(update={"valkey_url": SecretStr("redis://127.0.0.1:1/0")}))

    try:
        found = authenticate(lost, [credentials(word), credentials(word, nonce="n", nonce_seconds=60)])
    finally:
        lost.close()

    assert isinstance(found[0], ApiKey)
    assert found[1] == Denied(Code.UNAVAILABLE)


@pytest.mark.parametrize(
    ("properties", "words"),
    [
        ({"networks": ["all"]}, "'all' is no network"),
        ({"scopes": ["May I"]}, "unknown scope 'May I'"),
    ],
)
def test_a_key_with_an_invalid_network_or_scope_is_refused(
    world: World, properties: dict[str, Any], words: str
) -> None:
    with pytest.raises((InvalidInput, ConfigurationError), match=words):
        issue(world.rt, "acme", Vendor.ROBASE, **properties)
    with pytest.raises(NotFound, match="no account 'nobody'"):
        issue(world.rt, "nobody", Vendor.ROBASE)


@pytest.mark.parametrize("handle", ["a\x00b", "\ud800", "x" * 100_000, ""])
def test_an_invalid_key_handle_does_not_affect_other_requests(
    world: World, credentials: MakeCredentials, handle: str
) -> None:
    word = token(world)

    found = authenticate(world.rt, [credentials(word), credentials(word, handle=handle)])

    assert isinstance(found[0], ApiKey)
    assert found[1] == Denied(Code.UNAUTHENTICATED)
