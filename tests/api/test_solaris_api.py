"""Solaris' API over HTTP: a partner gets a token, verifies numbers, and sends."""

import itertools
import json
import logging
import re
from base64 import b64encode
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import pytest

from pipeline.stages.admin.accounts import create_account, set_account_state
from pipeline.stages.admin.api_keys import revoke
from pipeline.stages.admin.person_import import add_person
from schema.vocabulary import AccountState
from tests.api.conftest import Answer, RunningGateway
from tests.dialects.vendors import Vendor, issue
from tests.world import World

_numbers = itertools.count(5550000)


@dataclass
class Partner:
    """A bank that speaks to us as it speaks to Solaris."""

    gateway: RunningGateway
    credentials: Mapping[str, str]
    token: str = field(default="")

    def __post_init__(self) -> None:
        granted = self.ask_token()
        assert granted.status == 200, granted.body
        self.token = granted.json["access_token"]

    def ask_token(self) -> Answer:
        shown = f"{self.credentials['client_id']}:{self.credentials['client_secret']}"
        return self.gateway.ask(
            "POST",
            "/solaris/oauth2/token",
            "grant_type=client_credentials&scope=partners",
            {
                "Authorization": "Basic " + b64encode(shown.encode()).decode(),
                "Content-Type": "application/x-www-form-urlencoded",
            },
        )

    def ask(self, method: str, path: str, body: Any = None) -> Answer:
        return self.gateway.ask(method, f"/solaris{path}", body, {"Authorization": f"Bearer {self.token}"})

    def send(self, person: str, **fields: Any) -> Answer:
        body = {"person_id": person, "text": "Your statement is here.", "purpose": "Account statements"}
        return self.ask("POST", "/v1/sms/messages", body | {"idempotency_key": str(uuid4())} | fields)

    def number(self, method: str, person: str, what: str = "", **body: Any) -> Answer:
        return self.ask(method, f"/v1/persons/{person}/mobile_number{what}", body or None)


def partner(gateway: RunningGateway, **properties: Any) -> Partner:
    return Partner(gateway, gateway.key(Vendor.SOLARIS, **properties))


def number() -> str:
    """Return a number nobody had before: limits outlive a test."""
    return f"+4915{next(_numbers):09}"


@pytest.fixture
def bank(running_gateway: RunningGateway) -> Partner:
    return partner(running_gateway)


@pytest.fixture
def person(world: World, bank: Partner) -> str:
    add_person(world.rt, "acme", "dc1a6812a14f6cc338cd084208535bcdcper", number(), verified=True)
    return "dc1a6812a14f6cc338cd084208535bcdcper"


def error(answer: Answer) -> tuple[int, str, str]:
    [found] = answer.json["errors"]
    assert list(found) == ["id", "status", "code", "title", "detail", "source"]
    assert found["status"] == answer.status
    UUID(found["id"])
    return answer.status, found["code"], found["detail"]


def texts(world: World) -> list[tuple[str, str, str, bool]]:
    """Return what was written: (number, sender, text, whether it is a test)."""
    return world.rows(
        """
        SELECT m.phone, m.sender, m.body, b.test FROM messages AS m JOIN batches AS b ON b.id = m.batch_id ORDER BY m.id
        """
    )


# Messages -----------------------------------------------------------------------------------------------------


def test_a_verified_person_is_sent_a_message(world: World, bank: Partner, person: str) -> None:
    answer = bank.send(person, text="Pay ${amount} by Friday.", priority="high")

    assert answer.status == 202
    assert list(answer.json) == ["id", "message"]
    assert answer.json["message"] == "SMS has been accepted for processing."
    [(phone, sender, body, test)] = texts(world)
    assert (sender, body, test) == ("ACME", "Pay ${amount} by Friday.", False)
    assert world.rows("SELECT id::text FROM messages") == [answer.json["id"]]
    assert world.rows("SELECT phone FROM persons") == [phone]


def test_a_repeated_idempotency_key_returns_the_first_response_whatever_the_body(
    world: World, bank: Partner, person: str
) -> None:
    word = str(uuid4())
    first = bank.send(person, idempotency_key=word)
    bank.number("DELETE", person)

    again = [
        bank.send(person, idempotency_key=word),
        bank.send(person, idempotency_key=word.upper(), text="Another text"),
        bank.send("another person", idempotency_key=word),
    ]

    assert first.status == 202
    assert [(each.status, each.body) for each in again] == [(202, first.body)] * 3
    assert len(texts(world)) == 1


def test_idempotency_keys_of_two_partners_are_separate(
    world: World, running_gateway: RunningGateway, bank: Partner, person: str
) -> None:
    create_account(world.rt, "other", "NGN")
    other = Partner(running_gateway, issue(world.rt, "other", Vendor.SOLARIS).credentials)
    word = str(uuid4())

    ours, theirs = bank.send(person, idempotency_key=word), other.send(person, idempotency_key=word)

    assert ours.status == 202
    assert error(theirs) == (400, "Invalid person Id", "Unable to fetch the person Id")


def test_an_unknown_person_is_refused(bank: Partner) -> None:
    assert error(bank.send("nobody")) == (400, "Invalid person Id", "Unable to fetch the person Id")


def test_an_unverified_number_is_sent_no_message(world: World, bank: Partner) -> None:
    add_person(world.rt, "acme", "without")
    add_person(world.rt, "acme", "unproven", number())

    for each in ("without", "unproven"):
        assert error(bank.send(each)) == (409, "validation_error", "The person's mobile number is unverified")
    assert texts(world) == []


def test_messages_beyond_the_rate_limit_of_a_number_are_refused_and_replays_do_not_count(
    world: World, running_gateway: RunningGateway, person: str
) -> None:
    bank = partner(running_gateway, settings={"recipient_burst": 2, "recipient_seconds": 600})
    word = str(uuid4())
    [phone] = world.rows("SELECT phone FROM persons")

    first = bank.send(person, idempotency_key=word)
    replays = [bank.send(person, idempotency_key=word) for _ in range(3)]
    second, third = bank.send(person), bank.send(person)

    assert [each.status for each in (first, *replays, second)] == [202] * 5
    words = f"SMS request rate limit exceeded for the number: {phone}"
    assert error(third) == (429, "sms_request_rate_limit_exceeded", words)
    assert 0 < int(third.headers["retry-after"]) <= 300
    assert bank.send(person, idempotency_key=word).body == first.body
    assert len(texts(world)) == 2


def test_a_number_is_sent_at_most_five_messages_a_minute_by_default(bank: Partner, person: str) -> None:
    assert [bank.send(person).status for _ in range(6)] == [202] * 5 + [429]


def test_the_sender_of_a_key_overrides_the_first_sender_of_the_account(
    world: World, running_gateway: RunningGateway, person: str
) -> None:
    world.run("INSERT INTO sender_ids (account_id, sender) VALUES (%(id)s, 'Bank')", id=world.account)

    partner(running_gateway).send(person)
    partner(running_gateway, settings={"sender": "Bank"}).send(person)

    assert [sender for _, sender, _, _ in texts(world)] == ["ACME", "Bank"]


def test_the_default_sender_is_the_first_one_approved_for_the_country(world: World, bank: Partner, person: str) -> None:
    world.run("UPDATE sender_ids SET countries = '{NG}'")
    for sender, countries in (("French", ["FR"]), ("German", ["AT", "DE"]), ("Later", [])):
        world.run(
            "INSERT INTO sender_ids (account_id, sender, countries, created_at)"
            " VALUES (%(id)s, %(sender)s, %(countries)s, clock_timestamp())",
            id=world.account,
            sender=sender,
            countries=countries,
        )

    sent = bank.send(person)
    world.run("DELETE FROM sender_ids WHERE sender IN ('German', 'Later')")
    refused = bank.send(person)

    assert sent.status == 202
    assert [sender for _, sender, _, _ in texts(world)] == ["German"]
    assert error(refused) == (403, "unauthorized_action", "The partner has no sender to use.")


def test_a_message_without_an_approved_sender_is_refused(world: World, bank: Partner, person: str) -> None:
    world.run("UPDATE sender_ids SET state = 'rejected'")

    assert error(bank.send(person)) == (403, "unauthorized_action", "The partner has no sender to use.")


def test_a_message_without_funds_is_refused_also_when_repeated(world: World, bank: Partner, person: str) -> None:
    world.run("UPDATE wallets SET balance = 0")
    word = str(uuid4())

    found = [error(bank.send(person, idempotency_key=word)) for _ in range(2)]

    assert found == [(403, "unauthorized_action", "The partner's funds do not cover the message.")] * 2


def test_an_unpaid_request_is_sent_when_it_is_repeated_after_a_top_up(world: World, bank: Partner, person: str) -> None:
    balance, word = world.balance(), str(uuid4())
    world.run("UPDATE wallets SET balance = 0")
    short = bank.send(person, idempotency_key=word)
    world.run("UPDATE wallets SET balance = %(balance)s", balance=balance)

    paid, again = (bank.send(person, idempotency_key=word) for _ in range(2))

    assert (short.status, paid.status, again.status) == (403, 202, 202)
    assert paid.json["id"] == again.json["id"]
    assert world.rows("SELECT count(*) FROM messages WHERE status IS DISTINCT FROM 'rejected'") == [1]


def test_concurrent_requests_are_each_answered(world: World, bank: Partner) -> None:
    for each in range(20):
        add_person(world.rt, "acme", f"person{each}", number(), verified=True)

    with ThreadPoolExecutor(20) as threads:
        answers = list(threads.map(lambda each: bank.send(f"person{each % 21}"), range(42)))

    assert [answer.status for answer in answers] == ([202] * 20 + [400]) * 2
    assert len({answer.json["id"] for answer in answers if answer.status == 202}) == 40


# Tokens -------------------------------------------------------------------------------------------------------


def test_client_credentials_are_accepted_in_the_form(running_gateway: RunningGateway, bank: Partner) -> None:
    shown = bank.credentials
    form = f"grant_type=client_credentials&client_id={shown['client_id']}&client_secret={shown['client_secret']}"

    answer = running_gateway.ask(
        "POST", "/solaris/oauth2/token", form, {"Content-Type": "application/x-www-form-urlencoded"}
    )

    assert answer.status == 200
    assert (answer.json["token_type"], answer.json["expires_in"]) == ("Bearer", 3600)
    assert answer.headers["cache-control"] == "no-store"


def test_a_wrong_client_id_or_secret_gets_no_token(bank: Partner) -> None:
    known = Partner(bank.gateway, bank.credentials)
    known.credentials = {**bank.credentials, "client_secret": "wrong"}
    unknown = Partner(bank.gateway, bank.credentials)
    unknown.credentials = {**bank.credentials, "client_id": "nobody"}

    for each in (known, unknown):
        answer = each.ask_token()
        assert (answer.status, answer.json["error"]) == (401, "invalid_client")
        assert answer.headers["www-authenticate"].startswith("Basic")


def test_revoking_a_key_revokes_its_tokens_at_once(world: World, bank: Partner, person: str) -> None:
    [id_] = world.rows("SELECT id FROM api_keys")
    before = bank.send(person).status

    revoke(world.rt, "acme", id_)

    assert before == 202
    assert error(bank.send(person)) == (401, "invalid_token", "Token is expired, revoked or malformed.")
    assert bank.ask_token().json["error"] == "invalid_client"


def test_a_suspended_partner_is_refused(world: World, bank: Partner, person: str) -> None:
    set_account_state(world.rt, "acme", AccountState.SUSPENDED)

    assert error(bank.send(person))[:2] == (403, "unauthorized_partner")
    assert (bank.ask_token().status, bank.ask_token().json["error"]) == (400, "unauthorized_client")


def test_a_key_with_the_sending_scope_cannot_change_persons(running_gateway: RunningGateway, person: str) -> None:
    sender = partner(running_gateway, scopes=["sending"])

    assert sender.send(person).status == 202
    assert error(sender.number("DELETE", person)) == (
        403,
        "unauthorized_action",
        "Unauthorized action is not allowed.",
    )


# Persons ------------------------------------------------------------------------------------------------------


def test_a_number_is_added_verified_used_and_deleted(world: World, bank: Partner) -> None:
    phone = number()
    made = bank.ask("POST", "/v1/persons", {"first_name": "Max", "last_name": "Mustermann"})
    who = made.json["id"]

    added = bank.number("POST", who, number=f"{phone[:3]} {phone[3:7]}-{phone[7:]}")
    authorized = bank.number("POST", who, "/authorize", number=phone)
    [(sent_to, sender, body, _)] = texts(world)
    code = re.findall(r"\d+", body)[0]
    wrong = bank.number("POST", who, "/confirm", number=phone, token="1" + code[:-1])
    confirmed = bank.number("POST", who, "/confirm", number=phone, token=code)

    assert (made.status, list(made.json)) == (201, ["id"])
    assert re.fullmatch(r"[0-9a-f]{32}cper", who)
    assert bank.ask("GET", f"/v1/persons/{who}").json == {"id": who}
    assert (added.status, added.json["number"], added.json["verified"]) == (201, phone, False)
    assert re.fullmatch(r"[0-9a-f]{32}cmno", added.json["id"])
    assert (authorized.status, authorized.json) == (201, added.json)
    assert (sent_to, sender, len(code)) == (phone, "ACME", 6)
    words = f"Invalid or expired TAN for Solaris::MobileNumber with uid: '{added.json['id']}'"
    assert error(wrong) == (403, "invalid_tan", words)
    assert (confirmed.status, confirmed.json) == (201, added.json | {"verified": True})
    assert bank.send(who).status == 202
    deleted = bank.number("DELETE", who, number=phone)
    assert (deleted.status, deleted.json) == (200, confirmed.json)
    assert error(bank.number("GET", who))[:2] == (404, "model_not_found")
    assert error(bank.send(who))[0] == 409


def test_a_verification_code_has_the_otp_class_and_is_stored_only_as_a_hash(world: World, bank: Partner) -> None:
    phone = number()
    add_person(world.rt, "acme", "somebody", phone)

    bank.number("POST", "somebody", "/authorize", number=phone)

    assert world.rows("SELECT class FROM batches") == ["otp"]
    [(held, age)] = world.rows("SELECT length(code_hash), extract(epoch FROM expires_at - created_at) FROM challenges")
    assert held == 32
    assert 290 < age < 310
    [code] = re.findall(r"\d{6}", texts(world)[0][2])
    assert code.encode() not in b"".join(world.rows("SELECT code_hash FROM challenges"))


def test_a_code_is_invalid_after_three_wrong_guesses_and_a_new_one_works(world: World, bank: Partner) -> None:
    phone = number()
    add_person(world.rt, "acme", "somebody", phone)

    def code() -> str:
        bank.number("POST", "somebody", "/authorize", number=phone)
        return str(re.findall(r"\d{6}", texts(world)[-1][2])[0])

    def confirm(token: str) -> int:
        return bank.number("POST", "somebody", "/confirm", number=phone, token=token).status

    first = code()
    wrong = "000000" if first != "000000" else "111111"
    assert [confirm(wrong) for _ in range(3)] == [403] * 3
    assert confirm(first) == 403

    second = code()
    assert confirm(first if first != second else wrong) == 403
    assert confirm(second) == 201
    assert confirm(second) == 201
    assert error(bank.number("POST", "somebody", "/authorize", number=phone))[:2] == (409, "validation_error")


def test_an_expired_code_is_refused(world: World, bank: Partner) -> None:
    phone = number()
    add_person(world.rt, "acme", "somebody", phone)
    bank.number("POST", "somebody", "/authorize", number=phone)
    [code] = re.findall(r"\d{6}", texts(world)[0][2])

    world.run("UPDATE challenges SET expires_at = now() - interval '1 second'")

    assert error(bank.number("POST", "somebody", "/confirm", number=phone, token=code))[:2] == (403, "invalid_tan")


def test_concurrent_guesses_at_a_code_are_all_counted(world: World, bank: Partner) -> None:
    phone = number()
    add_person(world.rt, "acme", "somebody", phone)
    bank.number("POST", "somebody", "/authorize", number=phone)
    [code] = re.findall(r"\d{6}", texts(world)[0][2])
    guesses = [f"{(int(code) + each) % 1_000_000:06}" for each in range(1, 13)]

    with ThreadPoolExecutor(12) as threads:
        found = list(
            threads.map(
                lambda guess: bank.number("POST", "somebody", "/confirm", number=phone, token=guess).status, guesses
            )
        )

    assert found == [403] * 12
    assert world.rows("SELECT attempts FROM challenges") == [3]
    assert bank.number("POST", "somebody", "/confirm", number=phone, token=code).status == 403


def test_a_code_does_not_verify_a_number_added_later(world: World, bank: Partner) -> None:
    phone, later = number(), number()
    add_person(world.rt, "acme", "somebody", phone)
    bank.number("POST", "somebody", "/authorize", number=phone)
    [code] = re.findall(r"\d{6}", texts(world)[0][2])

    bank.number("DELETE", "somebody")
    bank.number("POST", "somebody", number=later)

    assert error(bank.number("POST", "somebody", "/confirm", number=later, token=code))[:2] == (403, "invalid_tan")
    assert error(bank.number("POST", "somebody", "/confirm", number=phone, token=code))[:2] == (404, "model_not_found")


def test_codes_count_towards_the_rate_limit_of_a_number(world: World, running_gateway: RunningGateway) -> None:
    bank = partner(running_gateway, settings={"recipient_burst": 1, "recipient_seconds": 600})
    phone = number()
    add_person(world.rt, "acme", "somebody", phone)
    bank.number("POST", "somebody", "/authorize", number=phone)
    [code] = re.findall(r"\d{6}", texts(world)[0][2])

    refused = bank.number("POST", "somebody", "/authorize", number=phone)

    assert error(refused)[:2] == (429, "sms_request_rate_limit_exceeded")
    assert bank.number("POST", "somebody", "/confirm", number=phone, token=code).status == 201


def test_codes_beyond_the_hourly_cap_of_a_number_are_refused_and_messages_are_not(
    world: World, running_gateway: RunningGateway
) -> None:
    bank = partner(running_gateway, settings={"hard_cap": 2, "recipient_burst": 100})
    phone = number()
    add_person(world.rt, "acme", "somebody", phone)

    answers = [bank.number("POST", "somebody", "/authorize", number=phone) for _ in range(3)]

    assert [answer.status for answer in answers] == [201, 201, 429]
    words = f"SMS request rate limit exceeded for the number: {phone}"
    assert error(answers[-1]) == (429, "sms_request_rate_limit_exceeded", words)
    assert 1700 < int(answers[-1].headers["retry-after"]) <= 1800
    world.run("UPDATE persons SET verified = true")
    assert bank.send("somebody").status == 202


def test_the_default_hourly_cap_is_five_codes_a_number_and_test_keys_have_none(
    world: World, running_gateway: RunningGateway
) -> None:
    settings = {"recipient_burst": 100}
    statuses = {}
    for test in (False, True):
        bank, phone = partner(running_gateway, settings=settings, test=test), number()
        who = bank.ask("POST", "/v1/persons", {}).json["id"]
        bank.number("POST", who, number=phone)
        statuses[test] = [bank.number("POST", who, "/authorize", number=phone).status for _ in range(6)]

    assert statuses == {False: [201] * 5 + [429], True: [201] * 6}


def test_a_person_has_one_number(world: World, bank: Partner, person: str) -> None:
    words = f"Mobile number already added for person: {person}."

    assert error(bank.number("POST", person, number=number())) == (409, "record_not_unique", words)
    with ThreadPoolExecutor(4) as threads:
        add_person(world.rt, "acme", "another")
        made = list(threads.map(lambda each: bank.number("POST", "another", number=each), [number() for _ in range(4)]))
    assert sorted(each.status for each in made) == [201, 409, 409, 409]


@pytest.mark.parametrize(
    ("method", "what", "body"),
    [
        ("POST", "", {"number": "+4915205555555"}),
        ("GET", "", {}),
        ("DELETE", "", {}),
        ("POST", "/authorize", {"number": "+4915205555555"}),
        ("POST", "/confirm", {"number": "+4915205555555", "token": "123456"}),
    ],
)
def test_an_unknown_person_is_answered_404(bank: Partner, method: str, what: str, body: dict[str, Any]) -> None:
    for who in ("nobody", "a%00b", "%ff"):
        status, code, words = error(bank.number(method, who, what, **body))
        assert (status, code) == (404, "model_not_found")
        assert words.startswith("Couldn't find 'Solaris::Person' for id '")


def test_a_number_that_is_not_the_person_s_is_answered_404(bank: Partner, person: str) -> None:
    other = number()

    for method, what, body in (
        ("DELETE", "", {"number": other}),
        ("POST", "/authorize", {"number": other}),
        ("POST", "/confirm", {"number": other, "token": "123456"}),
    ):
        words = f"Couldn't find 'Solaris::MobileNumber' for id '{other}'."
        assert error(bank.number(method, person, what, **body)) == (404, "model_not_found", words)


def test_a_test_key_verifies_the_sandbox_number_with_the_sandbox_code(
    world: World, running_gateway: RunningGateway
) -> None:
    sandbox, live = partner(running_gateway, test=True), partner(running_gateway)
    who = sandbox.ask("POST", "/v1/persons", {}).json["id"]

    sandbox.number("POST", who, number="+15550101")
    sandbox.number("POST", who, "/authorize", number="+15550101")
    confirmed = sandbox.number("POST", who, "/confirm", number="+15550101", token="212212")

    assert (confirmed.status, confirmed.json["verified"]) == (201, True)
    assert sandbox.send(who).status == 202
    assert [test for _, _, _, test in texts(world)] == [True, True]
    assert error(live.send(who))[0] == 409


@pytest.mark.parametrize(
    ("method", "what", "fields"),
    [
        ("POST", "", {}),
        ("DELETE", "", {}),
        ("DELETE", "", None),
        ("POST", "/authorize", {}),
        ("POST", "/confirm", {"token": "212212"}),
    ],
)
def test_a_test_key_cannot_change_a_live_person(
    world: World, running_gateway: RunningGateway, method: str, what: str, fields: dict[str, str] | None
) -> None:
    sandbox, live, phone = partner(running_gateway, test=True), partner(running_gateway), number()
    who = live.ask("POST", "/v1/persons", {}).json["id"]
    if what or method == "DELETE":
        live.number("POST", who, number=phone)
        live.number("POST", who, "/authorize", number=phone)
    before = world.rows("SELECT * FROM persons"), texts(world)

    body = {} if fields is None else {"number": phone, **fields}
    refused = sandbox.number(method, who, what, **body)

    assert error(refused) == (403, "unauthorized_action", "Unauthorized action is not allowed.")
    assert (world.rows("SELECT * FROM persons"), texts(world)) == before
    assert sandbox.ask("GET", f"/v1/persons/{who}").json == {"id": who}


def test_a_test_key_cannot_read_the_number_of_a_live_person(running_gateway: RunningGateway, person: str) -> None:
    settings = {"recipient_burst": 1, "recipient_seconds": 600}
    sandbox, live = (partner(running_gateway, settings=settings, test=test) for test in (True, False))
    phone = live.number("GET", person).json["number"]
    mine = sandbox.ask("POST", "/v1/persons", {}).json["id"]
    own = sandbox.number("POST", mine, number=number()).json["number"]

    seen = sandbox.number("GET", person)
    often = [sandbox.send(person) for _ in range(2)][1]

    assert error(seen) == (404, "model_not_found", f"Couldn't find 'Solaris::MobileNumber' for id '{person}'.")
    assert often.status == 429
    assert not any(phone.encode() in each.body for each in (seen, often))
    assert sandbox.number("GET", mine).json["number"] == own


def test_messages_of_a_test_key_do_not_count_towards_the_live_rate_limit(
    running_gateway: RunningGateway, person: str
) -> None:
    settings = {"recipient_burst": 2, "recipient_seconds": 600}
    sandbox, live = (partner(running_gateway, settings=settings, test=test) for test in (True, False))

    assert [sandbox.send(person).status for _ in range(3)] == [202, 202, 429]
    assert live.send(person).status == 202


def test_a_test_key_manages_the_number_of_a_test_person_with_test_messages_only(
    world: World, running_gateway: RunningGateway
) -> None:
    sandbox = partner(running_gateway, test=True)
    who, phone = sandbox.ask("POST", "/v1/persons", {}).json["id"], number()

    added = sandbox.number("POST", who, number=phone)
    authorized = sandbox.number("POST", who, "/authorize", number=phone)
    deleted = sandbox.number("DELETE", who, number=phone)

    assert [each.status for each in (added, authorized, deleted)] == [201, 201, 200]
    assert [test for _, _, _, test in texts(world)] == [True]


def test_a_live_key_cannot_verify_the_sandbox_number(world: World, bank: Partner) -> None:
    add_person(world.rt, "acme", "somebody", "+15550101")

    asked = bank.number("POST", "somebody", "/authorize", number="+15550101")
    answer = bank.number("POST", "somebody", "/confirm", number="+15550101", token="212212")

    assert (asked.status, answer.status) == (400, 403)
    assert texts(world) == []


# Always in tune -----------------------------------------------------------------------------------------------


def test_every_error_has_the_vendor_s_error_format(running_gateway: RunningGateway, bank: Partner) -> None:
    assert error(bank.ask("GET", "/v2/nothing"))[:2] == (404, "model_not_found")
    put = bank.ask("PUT", "/v1/sms/messages")
    assert error(put)[:2] == (405, "method_not_allowed")
    assert put.headers["allow"] == "POST"
    assert error(bank.ask("POST", "/v1/sms/messages", "x" * 70_000))[:2] == (413, "request_too_large")
    assert error(running_gateway.ask("POST", "/solaris/v1/sms/messages", {}))[:2] == (401, "token_required")
    assert error(bank.ask("POST", "/v1/sms/messages", b"{}x"))[:2] == (400, "invalid_json")
    wrong = running_gateway.ask(
        "POST",
        "/solaris/v1/sms/messages",
        "<sms/>",
        {"Authorization": f"Bearer {bank.token}", "Content-Type": "text/xml"},
    )
    assert error(wrong)[:2] == (415, "unsupported_media_type")
    assert running_gateway.ask("GET", "/solaris/oauth2/token").json["error"] == "invalid_request"


def test_an_internal_error_is_logged_with_the_id_of_the_response(
    world: World, bank: Partner, person: str, caplog: pytest.LogCaptureFixture
) -> None:
    world.run('UPDATE api_keys SET settings = \'{"recipient_burst": "many"}\'')
    caplog.set_level(logging.ERROR, "workers.api.dispatch")

    answer = bank.send(person)

    assert error(answer) == (500, "generic_error", "There was an error.")
    [line] = [record.getMessage() for record in caplog.records if record.name == "workers.api.dispatch"]
    assert answer.json["errors"][0]["id"] in line


def test_a_database_error_is_answered_503_and_logged(
    world: World, bank: Partner, person: str, caplog: pytest.LogCaptureFixture
) -> None:
    world.run("ALTER TABLE persons RENAME TO elsewhere")

    answer = bank.send(person)

    assert error(answer)[:2] == (503, "generic_error")
    assert answer.headers["retry-after"] == "1"
    assert any(answer.json["errors"][0]["id"] in record.getMessage() for record in caplog.records)
    assert json.dumps(answer.json).count("persons") == 0
