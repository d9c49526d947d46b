"""Rotation of the secret key during operation: keys, tokens and limits stay valid and are rehashed with the new key."""

import json
import re
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, closing, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from pydantic import SecretStr
from telesign.rest import RestClient

from pipeline.dialects.solaris import authentication
from pipeline.runtime import Runtime
from pipeline.settings import Settings
from pipeline.settings import settings as read_settings
from pipeline.stages.admin.accounts import set_account_state
from pipeline.stages.admin.api_keys import revoke
from pipeline.stages.admin.secret_rotation import behind
from pipeline.vault import Vault
from schema.vocabulary import AccountState
from tests.api.conftest import Answer, RunningGateway, forget_limits
from tests.dialects.vendors import Vendor, issue
from tests.world import World
from workers.cli.command import run
from workers.lab.embedded import development

OLD, NEW, NEWER = (f"the {which} secret key of these tests" for which in ("first", "second", "third"))
NOWHERE = "/v1/verify/0123456789ABCDEF0123456789ABCDEF"
NUMBER = "2348012345678"

Shown = Mapping[str, str]
#: opens a gateway with these secret keys
Gateway = Callable[..., AbstractContextManager[RunningGateway]]
#: types `postroad secret …`; returns the exit code and the JSON printed
TypeSecret = Callable[..., tuple[int, Any]]


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """The settings of an installation before its secret key is replaced."""
    return settings.model_copy(update={"secret_key": SecretStr(OLD)})


@pytest.fixture
def gateway(settings: Settings, pair: development.EmbeddedServers) -> Gateway:
    """Runs a gateway with these secret keys: the present one, and those before it."""
    forget_limits(pair)

    @contextmanager
    def opened(key: str, *old: str) -> Iterator[RunningGateway]:
        keys = {"secret_key": SecretStr(key), "secret_key_old": SecretStr(json.dumps(old) if old else "")}
        with closing(Runtime(settings.model_copy(update=keys))) as rt, closing(RunningGateway(rt)) as house:
            yield house

    return opened


@pytest.fixture
def secret(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[TypeSecret]:
    """Types `postroad secret …` where the key has been replaced; returns how it ended, and what it said."""

    def type_(*words: str) -> tuple[int, Any]:
        capsys.readouterr()
        return run(["secret", *words, "--json"]), json.loads(capsys.readouterr().out)

    for name in ("database_url", "broker_url"):
        monkeypatch.setenv(f"POSTROAD_{name.upper()}", getattr(settings, name).get_secret_value())
    monkeypatch.setenv("POSTROAD_HOME", str(settings.home))
    monkeypatch.setenv("POSTROAD_SECRET_KEY", NEW)
    monkeypatch.setenv("POSTROAD_SECRET_KEY_OLD", OLD)
    read_settings.cache_clear()
    yield type_
    read_settings.cache_clear()


def _robase(house: RunningGateway, shown: Shown) -> Answer:
    return house.ask("GET", "/robase/v1/sms", headers={"Authorization": f"Bearer {shown['api_key']}"})


def _postroad(house: RunningGateway, shown: Shown) -> Answer:
    return house.ask("GET", "/postroad/v1/balance", headers={"Authorization": f"Bearer {shown['api_key']}"})


def _webex(house: RunningGateway, shown: Shown) -> Answer:
    return house.ask("GET", "/webex/assets/v1/senders", headers={"X-AUTH-KEY": shown["access_token"]})


def _solaris(house: RunningGateway, shown: Shown) -> Answer:
    client = f"{shown['client_id']}:{shown['client_secret']}"
    reported = {
        "Authorization": "Basic " + b64encode(client.encode()).decode(),
        "Content-Type": "application/x-www-form-urlencoded",
    }
    return house.ask("POST", "/solaris/oauth2/token", "grant_type=client_credentials", reported)


def _telesign(house: RunningGateway, shown: Shown) -> Answer:
    reported = RestClient.generate_telesign_headers(shown["customer_id"], shown["api_key"], "GET", NOWHERE, "")
    return house.ask("GET", f"/telesign{NOWHERE}", headers=reported)


#: a call that is answered to whoever is known, and the status it gets
CALLS = {
    Vendor.ROBASE: (_robase, 200),
    Vendor.WEBEX: (_webex, 200),
    Vendor.POSTROAD: (_postroad, 200),
    Vendor.SOLARIS: (_solaris, 200),
    Vendor.TELESIGN: (_telesign, 404),
}
#: who shows what we keep as a hash
HASHED = (Vendor.ROBASE, Vendor.WEBEX, Vendor.SOLARIS, Vendor.POSTROAD)


def bearing(house: RunningGateway, token: str) -> Answer:
    """Call Solaris' API with a token."""
    reported = {"Authorization": f"Bearer {token}"}
    return house.ask("GET", "/solaris/v1/persons/dc1a6812a14f6cc338cd084208535bcdcper", headers=reported)


def send_code(house: RunningGateway, shown: Shown) -> Answer:
    """Send a code through TeleSign's API."""
    body = f"phone_number={NUMBER}&verify_code=4711"
    reported = RestClient.generate_telesign_headers(
        shown["customer_id"], shown["api_key"], "POST", "/v1/verify/sms", body, auth_method="Basic"
    )
    return house.ask("POST", "/telesign/v1/verify/sms", body, reported)


def said(answer: Answer) -> tuple[int, str]:
    """Return an answer without what differs from call to call."""
    ours = r'"(reference_id|id|updated_on|trace_id|signature_string)": ?"[^"]*"|[0-9a-f-]{32,36}'
    words = re.sub(ours, "", answer.body.decode())
    return answer.status, words


@pytest.mark.parametrize("dialect", Vendor)
def test_a_key_works_through_a_rotation_and_after_it(
    world: World, gateway: Gateway, secret: TypeSecret, dialect: Vendor
) -> None:
    call, known = CALLS[dialect]
    shown = issue(world.rt, "acme", dialect).credentials

    with gateway(NEW, OLD) as house:
        before = call(house, shown).status
        secret("rotate")
        after = call(house, shown).status
    status = secret("status")
    with gateway(NEW) as house:
        alone = call(house, shown).status

    assert (before, after, alone) == (known, known, known)
    assert status == (0, [])


@pytest.mark.parametrize("dialect", HASHED)
def test_an_api_key_first_used_after_the_rotation_is_rehashed(
    world: World, gateway: Gateway, secret: TypeSecret, dialect: Vendor
) -> None:
    call, known = CALLS[dialect]
    shown = issue(world.rt, "acme", dialect).credentials
    secret("rotate")
    code, left = secret("status")

    with gateway(NEW, OLD) as house:
        used = call(house, shown).status
    with gateway(NEW) as house:
        alone = call(house, shown).status

    assert (code, [row["dialect"] for row in left]) == (1, [dialect])
    assert (used, alone) == (known, known)
    assert secret("status") == (0, [])


def test_an_unused_api_key_is_invalid_without_the_old_secret_key(
    world: World, gateway: Gateway, secret: TypeSecret
) -> None:
    shown = {dialect: issue(world.rt, "acme", dialect).credentials for dialect in Vendor}

    secret("rotate")
    with gateway(NEW) as house:
        statuses = {dialect: CALLS[dialect][0](house, shown[dialect]).status for dialect in Vendor}

    # of TeleSign's we have the secret itself, which was sealed anew
    assert statuses == dict.fromkeys(HASHED, 401) | {Vendor.TELESIGN: 404}


def test_an_api_key_hashed_two_secret_keys_ago_is_rehashed(world: World, gateway: Gateway) -> None:
    shown = {dialect: issue(world.rt, "acme", dialect).credentials for dialect in HASHED}

    for keys in ((NEWER, NEW, OLD), (NEWER,)):
        with gateway(*keys) as house:
            assert [CALLS[dialect][0](house, shown[dialect]).status for dialect in HASHED] == [200] * len(HASHED)


def test_an_api_key_without_a_secret_version_is_rehashed(world: World, gateway: Gateway) -> None:
    shown = {dialect: issue(world.rt, "acme", dialect).credentials for dialect in HASHED}
    world.run("UPDATE api_keys SET secret_version = NULL")

    with gateway(OLD, NEW) as house:
        assert [CALLS[dialect][0](house, shown[dialect]).status for dialect in HASHED] == [200] * len(HASHED)
        assert behind(house.rt) == []


def test_during_a_rolling_restart_gateways_with_both_secret_keys_accept_a_rehashed_key(
    world: World, gateway: Gateway
) -> None:
    shown = {dialect: issue(world.rt, "acme", dialect).credentials for dialect in HASHED}

    with gateway(OLD, NEW) as first, gateway(NEW, OLD) as second:
        for house in (first, second, first, second):
            assert [CALLS[dialect][0](house, shown[dialect]).status for dialect in HASHED] == [200] * len(HASHED)
        assert behind(second.rt) == []


def test_a_token_issued_before_the_rotation_is_valid_until_it_expires(world: World, gateway: Gateway) -> None:
    shown = issue(world.rt, "acme", Vendor.SOLARIS).credentials
    ended = authentication.make(shown["client_id"], datetime.now(UTC) - timedelta(seconds=2), Vault(OLD))
    with gateway(OLD) as house:
        token = _solaris(house, shown).json["access_token"]

    with gateway(NEW, OLD) as house:
        good = bearing(house, token)
        _solaris(house, shown)
        again, late = bearing(house, token), bearing(house, ended)
        nonsense = bearing(house, token[:-1] + ("A" if token[-1] != "A" else "E"))
    with gateway(NEW) as house:
        alone = bearing(house, token)

    assert (good.status, again.status) == (404, 404)
    assert {answer.status for answer in (late, nonsense, alone)} == {401}
    assert said(late) == said(nonsense)


@pytest.mark.parametrize("dialect", Vendor)
def test_revoked_and_wrong_keys_get_the_same_response_during_a_rotation(
    world: World, gateway: Gateway, dialect: Vendor
) -> None:
    call, _ = CALLS[dialect]
    revoked, other = (issue(world.rt, "acme", dialect) for _ in range(2))
    revoke(world.rt, "acme", revoked.id)
    name = {Vendor.SOLARIS: "client_secret", Vendor.WEBEX: "access_token"}.get(dialect, "api_key")
    false = dict(other.credentials)
    false[name] = false[name][:-12] + ("A" * 11 + false[name][-1])
    answers = []

    for keys in ((OLD,), (NEW, OLD)):
        with gateway(*keys) as house:
            answers += [said(call(house, shown)) for shown in (revoked.credentials, false)]

    assert {status for status, _ in answers} == {401}
    assert answers[:2] == answers[2:]
    assert len(set(answers)) == 1
    assert world.rows("SELECT DISTINCT secret_version FROM api_keys") == [Vault(OLD).id]


def test_a_valid_key_that_is_refused_by_state_or_network_is_rehashed(world: World, gateway: Gateway) -> None:
    suspended = issue(world.rt, "acme", Vendor.ROBASE).credentials
    elsewhere = issue(world.rt, "acme", Vendor.WEBEX, networks=["203.0.113.0/24"]).credentials

    with gateway(NEW, OLD) as house:
        assert _webex(house, elsewhere).status == 403
        set_account_state(world.rt, "acme", AccountState.SUSPENDED)
        assert _robase(house, suspended).status == 403
        assert behind(house.rt) == []


def test_concurrent_requests_at_two_gateways_rehash_an_api_key(world: World, gateway: Gateway) -> None:
    known = [issue(world.rt, "acme", Vendor.ROBASE, settings={"rate": 1000}).credentials for _ in range(5)]

    with gateway(NEW, OLD) as one, gateway(NEW, OLD) as other, ThreadPoolExecutor(16) as pool:
        calls = [(house, shown) for _ in range(10) for house in (one, other) for shown in known]
        statuses = list(pool.map(lambda each: _robase(*each).status, calls))
    with gateway(NEW) as house:
        alone = [_robase(house, shown).status for shown in known]

    assert statuses == [200] * 100
    assert alone == [200] * 5


def test_an_api_key_that_cannot_be_rehashed_still_works(world: World, gateway: Gateway) -> None:
    taken, frozen = (issue(world.rt, "acme", Vendor.ROBASE).credentials for _ in range(2))
    # somebody has its new hash; and the other's row cannot be written
    handle = Vault(NEW).digest("key", Vendor.ROBASE, taken["api_key"]).hex()
    world.run(
        "INSERT INTO api_keys (account_id, dialect, handle, last_characters, revoked_at)"
        " SELECT account_id, dialect, %(handle)s, '', now() FROM api_keys LIMIT 1",
        handle=handle,
    )
    world.run(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'frozen'; END $$;"
        "CREATE TRIGGER refuse BEFORE UPDATE ON api_keys FOR EACH ROW EXECUTE FUNCTION refuse()"
    )

    with gateway(NEW, OLD) as house:
        cannot = [_robase(house, shown).status for shown in (taken, frozen)]
        world.run("DROP TRIGGER refuse ON api_keys; DROP FUNCTION refuse")
        can = [_robase(house, shown).status for shown in (taken, frozen)]
        left = [row["hint"] for row in behind(house.rt)]

    assert cannot == can == [200, 200]
    assert left == [taken["api_key"][-4:]]


def test_a_code_sent_before_the_rotation_can_be_verified(world: World, gateway: Gateway) -> None:
    shown = issue(world.rt, "acme", Vendor.TELESIGN).credentials
    with gateway(OLD) as house:
        reference = send_code(house, shown).json["reference_id"]

    path = f"/v1/verify/{reference}"
    reported = RestClient.generate_telesign_headers(
        shown["customer_id"], shown["api_key"], "GET", path, "", auth_method="Basic"
    )
    with gateway(NEW, OLD) as house:
        states = [
            house.ask("GET", f"/telesign{path}?verify_code={code}", headers=reported).json["verify"]["code_state"]
            for code in ("1234", "4711")
        ]

    assert UUID(reference).version
    assert states == ["INVALID", "VALID"]


@pytest.mark.parametrize("limit", [{"hard_cap": 1}, {"pause": 300}], ids=str)
def test_limits_of_a_number_used_before_the_rotation_stay_used(world: World, gateway: Gateway, limit: Shown) -> None:
    shown = issue(world.rt, "acme", Vendor.TELESIGN, settings=limit).credentials

    with gateway(OLD) as house:
        sent, refused = send_code(house, shown), send_code(house, shown)
    with gateway(NEW, OLD) as house:
        meanwhile = send_code(house, shown)

    assert (sent.status, refused.status) == (200, 429)
    assert said(meanwhile) == said(refused)


def test_limits_of_a_number_used_during_the_rotation_stay_used(
    world: World, gateway: Gateway, secret: TypeSecret
) -> None:
    shown = issue(world.rt, "acme", Vendor.TELESIGN, settings={"hard_cap": 1}).credentials

    with gateway(NEW, OLD) as house:
        sent = send_code(house, shown)
    secret("rotate")
    with gateway(NEW) as house:
        refused = send_code(house, shown)

    assert (sent.status, refused.status) == (200, 429)
