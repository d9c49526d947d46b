"""Identify: who may come in, judged in order, and what the unwelcome leave untouched."""

from collections.abc import Callable
from dataclasses import replace
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


def test_a_key_is_known_with_all_that_it_may(world: World, credentials: MakeCredentials) -> None:
    word = token(world, test=True, scopes=["sending"], settings={"rate": 5}, name="the shop")

    [key] = authenticate(world.rt, [credentials(word)])

    assert isinstance(key, ApiKey)
    assert (key.owner, key.account, key.currency) == ("acme", world.account, "NGN")
    assert (key.test, key.scopes, key.settings) == (True, frozenset({"sending"}), {"rate": 5})
    assert word.startswith("rb_test_")


def test_many_calls_are_answered_in_order(world: World, credentials: MakeCredentials) -> None:
    words = [token(world), "rb_live_of_nobody", token(world)]

    found = authenticate(world.rt, [credentials(word) for word in words])

    assert [type(each) for each in found] == [ApiKey, Denied, ApiKey]
    assert key_of(found[0]).id != key_of(found[2]).id


def test_a_revoked_key_opens_nothing_at_the_next_call(world: World, credentials: MakeCredentials) -> None:
    word = token(world)
    [found] = authenticate(world.rt, [credentials(word)])
    key = key_of(found)

    revoke(world.rt, "acme", key.id)

    assert authenticate(world.rt, [credentials(word)]) == [Denied(Code.UNAUTHENTICATED)]
    assert list_keys(world.rt, "acme")[0]["revoked_at"]
    with pytest.raises(NotFound, match="no key"):
        revoke(world.rt, "acme", key.id)


def test_no_key_is_kept_as_it_is(world: World) -> None:
    secrets = [issue(world.rt, "acme", dialect).credentials for dialect in Vendor]

    kept = repr(world.rows("SELECT k::text FROM api_keys AS k"))

    shown = {name: word for each in secrets for name, word in each.items()}
    assert set(shown) == {"client_id", "client_secret", "api_key", "customer_id", "access_token"}
    for name in ("client_secret", "api_key", "access_token"):
        assert shown[name] not in kept
    assert not any(word in kept for each in secrets for name, word in each.items() if name == "api_key")


def test_a_suspended_account_is_told_so(world: World, credentials: MakeCredentials) -> None:
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
def test_a_key_may_be_bound_to_networks(
    world: World, credentials: MakeCredentials, source: str, comes_in: bool
) -> None:
    word = token(world, networks=["203.0.113.0/24", "2001:db8::/64"])

    [found] = authenticate(world.rt, [credentials(word, source=source)])

    assert found == Denied(Code.SOURCE_FORBIDDEN) if not comes_in else isinstance(found, ApiKey)


def test_a_proof_that_fails_is_handed_back_and_spends_neither_nonce_nor_limit(
    world: World, credentials: MakeCredentials
) -> None:
    word, nonce, endpoint = token(world), str(uuid4()), f"verify-{uuid4()}"
    common = {"nonce": nonce, "nonce_seconds": 60, "endpoint": endpoint, "rate": 0.001, "burst": 1}

    forged = authenticate(world.rt, [credentials(word, verify=lambda _key: "a forger", **common)])
    genuine = authenticate(world.rt, [credentials(word, **common)])

    assert forged == [Denied(Code.UNAUTHENTICATED, proof="a forger")]
    assert isinstance(genuine[0], ApiKey)


def test_a_nonce_comes_once_for_each_key(world: World, credentials: MakeCredentials) -> None:
    nonce = {"nonce": str(uuid4()), "nonce_seconds": 60}
    mine, other = token(world), token(world)

    together = authenticate(
        world.rt, [credentials(mine, **nonce), credentials(mine, **nonce), credentials(other, **nonce)]
    )

    assert [isinstance(each, ApiKey) for each in together] == [True, False, True]
    assert together[1] == Denied(Code.CONFLICT)
    assert authenticate(world.rt, [credentials(mine, **nonce)]) == [Denied(Code.CONFLICT)]


def test_a_key_that_calls_too_often_is_told_how_long_to_wait(world: World, credentials: MakeCredentials) -> None:
    word = token(world)
    calls = [credentials(word, endpoint="send", rate=1.0, burst=3) for _ in range(5)]

    found = authenticate(world.rt, calls)

    assert [isinstance(each, ApiKey) for each in found] == [True, True, True, False, False]
    assert isinstance(found[3], Denied)
    assert found[3].code is Code.RATE_KEY
    assert 0 < found[3].wait <= 1.0
    assert isinstance(authenticate(world.rt, [credentials(word, endpoint="list", rate=1.0, burst=3)])[0], ApiKey)


def test_the_keys_own_rate_wins(world: World, credentials: MakeCredentials) -> None:
    word = token(world, settings={"rate": 2, "burst": 5})

    found = authenticate(world.rt, [credentials(word, endpoint="send", rate=1.0, burst=1) for _ in range(6)])

    assert [isinstance(each, ApiKey) for each in found] == [True] * 5 + [False]


def test_while_valkey_is_away_calls_go_on_and_nonces_do_not(
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
def test_a_key_that_cannot_be_is_refused(world: World, properties: dict[str, Any], words: str) -> None:
    with pytest.raises((InvalidInput, ConfigurationError), match=words):
        issue(world.rt, "acme", Vendor.ROBASE, **properties)
    with pytest.raises(NotFound, match="no account 'nobody'"):
        issue(world.rt, "nobody", Vendor.ROBASE)


@pytest.mark.parametrize("handle", ["a\x00b", "\ud800", "x" * 100_000, ""])
def test_a_handle_that_cannot_be_spoils_nothing_for_those_beside_it(
    world: World, credentials: MakeCredentials, handle: str
) -> None:
    word = token(world)

    found = authenticate(world.rt, [credentials(word), credentials(word, handle=handle)])

    assert isinstance(found[0], ApiKey)
    assert found[1] == Denied(Code.UNAUTHENTICATED)
