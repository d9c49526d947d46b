"""An API answers hostile requests in its own format: never with 500 or a traceback, without logging their content."""

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any
from urllib.parse import urlencode
from uuid import UUID, uuid4

import pytest
from pydantic import SecretStr
from telesign.rest import RestClient

from pipeline.rules.identity import ksuids
from pipeline.runtime import Runtime
from pipeline.settings import Settings
from tests.api.attack_target import NUMBER, ROOM, TARGETS, THEIRS, settle
from tests.api.conftest import RunningGateway, forget_limits
from tests.api.hostile_requests import CANARY, FORM, TRACES, Attack, Target, drawn
from tests.api.raw_http import Received, Wire, spell
from tests.databases import NewDatabase
from tests.dialects.envelopes import MEDIA, is_refusal
from tests.dialects.vendors import Vendor, issue
from tests.world import World
from workers.api import unauthenticated
from workers.lab.embedded import development

#: attacks on each API, drawn from all of them by a seed
EACH, SEED = 2_000, 20261122
#: connections that attack at once
LINES = 6

#: said to what cannot be read at all: whose it would have been, nobody knows
NO_HTTP = b'{"error": {"message": "not a valid HTTP request"}}'


each_dialect = pytest.mark.parametrize("dialect", list(Vendor))


@dataclass(slots=True)
class AttackedGateway:
    """A gateway and what its attackers know of it."""

    world: World
    house: RunningGateway
    targets: dict[Vendor, Target]
    #: what must be in no log: the keys, and the numbers
    secrets: list[str]


@pytest.fixture(scope="module")
def attacked(
    pair: development.EmbeddedServers, new_database: NewDatabase, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[AttackedGateway]:
    """Yield one gateway for all attacks, with a key of each API, and a second account with resources of its own."""
    forget_limits(pair)
    patient = pytest.MonkeyPatch()
    patient.setattr(unauthenticated, "LONGEST", 0.0)
    settings = Settings(
        database_url=new_database(),
        broker_url=pair.broker_url,
        home=tmp_path_factory.mktemp("home"),
        secret_key=SecretStr("a secret of these tests, long enough"),
    )
    rt = Runtime(settings)
    world = World(rt)
    settle(world)
    house = RunningGateway(rt)
    try:
        targets = {dialect: TARGETS[dialect](house, rt) for dialect in Vendor}
        secrets = [word for target in targets.values() for _, key in target.key for word in key.split()[-1:]]
        yield AttackedGateway(world, house, targets, [*secrets, NUMBER[1:], THEIRS[1:]])
    finally:
        patient.undo()
        house.close()
        rt.close()


# The attacks ------------------------------------------------------------------------------------------------------


@each_dialect
@pytest.mark.timeout(300)
def test_an_api_answers_hostile_requests_in_its_own_format(
    attacked: AttackedGateway, caplog: pytest.LogCaptureFixture, dialect: Vendor
) -> None:
    caplog.set_level(logging.DEBUG)
    target = attacked.targets[dialect]
    attacks = drawn(list(target.attacks()), EACH, SEED)

    faults = storm(attacked.house.port, dialect, attacks)

    assert not faults, f"{len(faults)} of {len(attacks)}:\n" + "\n".join(faults[:60])
    is_silent(caplog, attacked)


def storm(port: int, dialect: Vendor, attacks: Sequence[Attack]) -> list[str]:
    """Make the attacks over a few connections at once; return what is wrong with the answers."""

    def line(mine: Sequence[Attack]) -> Iterator[str]:
        wire = Wire(port)
        try:
            for attack in mine:
                yield from judge(wire, dialect, attack)
        finally:
            wire.close()

    with ThreadPoolExecutor(LINES) as threads:
        found = threads.map(lambda place: list(line(attacks[place::LINES])), range(LINES))
    return [fault for faults in found for fault in faults]


def judge(wire: Wire, dialect: Vendor, attack: Attack) -> Iterator[str]:
    """Make one attack; yield what is wrong with the answer."""
    raw = spell(attack.method, f"/{dialect}".encode() + attack.path, attack.headers, attack.body)
    name = f"{attack.method} {attack.path[:60]!r} {attack.name}"
    try:
        received = wire.ask(raw, attack.method)
    except (OSError, ValueError) as error:
        yield f"{name}: no answer, {type(error).__name__}"
        return
    reported = f"{name}: {received.status} {received.body[:200]!r}"
    if not (received.kept or attack.broken or received.status == 413):
        yield f"closed: {reported}"
    if "x-evil" in received.headers:
        yield f"evil: {reported}"
    if TRACES.search(received.body):
        yield f"trace: {reported}"
    if not ((_is_fine(received) and attack.legal) or _is_reported(dialect, attack, received)):
        yield reported


def _is_fine(received: Received) -> bool:
    if received.status == 204:
        return received.body == b""
    return 200 <= received.status < 300 and isinstance(json.loads(received.body), dict)


def _is_reported(dialect: Vendor, attack: Attack, received: Received) -> bool:
    if received.headers.get("content-type", "").partition(";")[0] != MEDIA[dialect] or not 400 <= received.status < 500:
        return False
    if attack.broken and received.status == 400 and not received.kept and received.body == NO_HTTP:
        return True
    return is_refusal(dialect, attack.path.decode("latin-1"), received.status, json.loads(received.body))


def is_silent(caplog: pytest.LogCaptureFixture, attacked: AttackedGateway) -> None:
    """Hold the log against what the attackers wrote, and against the keys and numbers."""
    for record in caplog.records:
        assert record.exc_info is None, record
        assert record.levelno < logging.WARNING, record.getMessage()
    for word in [CANARY, *attacked.secrets]:
        assert word not in caplog.text


# What is legal, and only looks hostile --------------------------------------------------------------------------

#: each is sent as it stands: nobody's template but its writer's
TRICKS = (
    "${__class__}",
    "{{.__class__}}",
    "{0.__class__.__mro__}",
    "%(x)s%n",
    "$$ $${x} ${",
    "a\r\nX-Evil: b",
    "${text} ${body}",
)


@pytest.mark.parametrize("text", TRICKS)
def test_placeholders_in_a_message_text_are_not_expanded(attacked: AttackedGateway, text: str) -> None:
    def ask(dialect: Vendor, path: str, body: Any, *headers: tuple[str, str]) -> Any:
        reported = dict([*attacked.targets[dialect].key, *headers])
        answer = attacked.house.ask("POST", f"/{dialect}{path}", body, reported)
        assert answer.status in (200, 202), answer
        return answer.json

    def body_of(where: str, id_: Any) -> Any:
        return attacked.world.rows(f"SELECT body FROM messages WHERE {where} = %(id)s", id=id_)

    solaris = {"person_id": "reached", "text": text, "purpose": "x", "idempotency_key": str(uuid4())}
    robase = {"to": NUMBER, "from": "ACME", "body": text}
    webex = {"message_body": text, "from": "ACME", "to": [{"phone": [NUMBER]}]}
    filled = webex | {"message_body": "${name}", "global_merge_fields": {"name": text}}
    telesign = urlencode({"phone_number": NUMBER[1:], "template": text})

    assert body_of("id", ask(Vendor.SOLARIS, "/v1/sms/messages", solaris)["id"]) == [text]
    assert body_of("id", ask(Vendor.ROBASE, "/v1/sms", robase)["id"]) == [text]
    for asked in (webex, filled):
        [message] = ask(Vendor.WEBEX, "/v1/sms", asked)["messages"]
        assert body_of("id", ksuids.read("tid_", message["transaction_id"])) == [text]
    sent = ask(Vendor.TELESIGN, "/v1/verify/sms", telesign, ("Content-Type", FORM))
    assert body_of("request_id", UUID(hex=sent["reference_id"])) == [text]


# Authentication -------------------------------------------------------------------------------------------------


def test_expired_replayed_and_altered_signatures_are_refused(
    attacked: AttackedGateway, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    shown = issue(attacked.world.rt, "acme", Vendor.TELESIGN, settings=ROOM[Vendor.TELESIGN]).credentials
    other = issue(attacked.world.rt, "bolt", Vendor.TELESIGN, settings=ROOM[Vendor.TELESIGN]).credentials
    form = f"phone_number={NUMBER[1:]}"

    def signed(id_: str = shown["customer_id"], secret: str = shown["api_key"], **options: Any) -> dict[str, str]:
        asked = {"method_name": "POST", "resource": "/v1/verify/sms", "url_encoded_fields": form} | options
        return dict(RestClient.generate_telesign_headers(id_, secret, **asked))

    def at(**off: int) -> str:
        return format_datetime(datetime.now(UTC) + timedelta(**off), usegmt=True)

    def ask(headers: Mapping[str, str], body: str = form) -> tuple[int, int]:
        answer = attacked.house.ask("POST", "/telesign/v1/verify/sms", body, headers)
        fine = answer.status == 200 or is_refusal(Vendor.TELESIGN, "/v1/verify/sms", answer.status, answer.json)
        assert fine, answer
        return answer.status, answer.json["errors"][0]["code"] if answer.json["errors"] else 0

    good = signed()
    signature = good["Authorization"].rpartition(":")[2]
    refused = {
        "expired": signed(date_rfc2616=at(hours=-1)),
        "of tomorrow": signed(date_rfc2616=at(days=1)),
        "of no day": signed(date_rfc2616="Mon, 99 Foo 99999 99:99:99 GMT"),
        "of year nought": signed(date_rfc2616="Sat, 01 Jan 0000 00:00:00 GMT"),
        "of no zone": signed(date_rfc2616="Sun, 22 Nov 2026 02:00:00"),
        "of a far zone": signed(date_rfc2616="Fri, 31 Dec 9999 23:59:59 -2359"),
        "of the first day": signed(date_rfc2616="Mon, 01 Jan 0001 00:00:00 +2359"),
        "dated in digits": signed(date_rfc2616=9 * "9"),
        "a nonce too short": signed(nonce="a"),
        "a nonce too long": signed(nonce=100 * "a"),
        "another method of signing": good | {"x-ts-auth-method": "HMAC-SHA1"},
        "of another method": signed(method_name="PUT"),
        "of another path": signed(resource="/v1/verify/other"),
        "of the path with our prefix": signed(resource="/telesign/v1/verify/sms"),
        "of another body": signed(url_encoded_fields=form + "0"),
        "by another's key": signed(secret=other["api_key"]),
        "another's name": signed(id_=other["customer_id"]),
        "nobody's name": signed(id_="c4n4ry"),
        "in small letters": good | {"Authorization": good["Authorization"].lower()},
        "cut": good | {"Authorization": good["Authorization"][:-2]},
        "of zeroes": good | {"Authorization": f"TSA {shown['customer_id']}:{44 * 'A'}"},
        "empty": good | {"Authorization": f"TSA {shown['customer_id']}:"},
        "alone": good | {"Authorization": f"TSA {signature}"},
        "shown as a password": good | {"Authorization": f"Basic {signature}"},
        "without its date": {name: word for name, word in good.items() if name.lower() != "date"},
        "without its nonce": {name: word for name, word in good.items() if name.lower() != "x-ts-nonce"},
    }

    reported = {name: ask(headers) for name, headers in refused.items()}

    assert {name: reported[name] for name in reported if reported[name][0] != 401} == {}
    assert reported["expired"] == (401, -30010)
    assert reported["by another's key"] == (401, -30006)
    assert [ask(good), ask(good), ask(good)] == [(200, 0), (401, -30012), (401, -30012)]
    assert CANARY not in caplog.text
    assert all(word not in caplog.text for word in [*shown.values(), *other.values(), signature])
    is_silent(caplog, attacked)


@each_dialect
def test_resources_of_another_account_are_answered_404(attacked: AttackedGateway, dialect: Vendor) -> None:
    target = attacked.targets[dialect]

    attacks = [each for each in target.attacks() if each.name.startswith("another account's")]
    answers = [
        attacked.house.ask(each.method, f"/{dialect}{each.path.decode()}", each.body, dict(each.headers))
        for each in attacks
    ]

    assert len(attacks) >= 2
    assert {answer.status for answer in answers} == {404}
