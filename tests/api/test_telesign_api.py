"""TeleSign's API over HTTP, called by the vendor's own client: the documented responses."""

import re
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any
from urllib.parse import urlencode
from uuid import UUID, uuid4

import pytest
from pydantic import SecretStr
from telesign.rest import RestClient
from telesignenterprise.verify import VerifyClient

from pipeline.settings import Settings
from pipeline.stages.admin.accounts import set_account_state
from pipeline.stages.deliver import deliver
from schema.vocabulary import AccountState
from tests.api.conftest import Answer, RunningGateway
from tests.dialects.vendors import Vendor
from tests.world import World

NUMBER = "2348012345678"


class Customer:
    """One key, and the vendor's own clients that hold it."""

    def __init__(self, running_gateway: RunningGateway, **properties: Any) -> None:
        self.house = running_gateway
        self.credentials: Mapping[str, str] = running_gateway.key(Vendor.TELESIGN, **properties)
        self.id, self.secret = self.credentials["customer_id"], self.credentials["api_key"]
        self.clients: list[VerifyClient] = []

    def client(self, method: str | None = None, *, id_: str | None = None, secret: str | None = None) -> VerifyClient:
        """Return the vendor's client; `method` "Basic" shows the key, else requests are signed."""
        endpoint = f"{self.house.url}/telesign"
        made = VerifyClient(id_ or self.id, secret or self.secret, rest_endpoint=endpoint, auth_method=method)
        self.clients.append(made)
        return made

    def signed(self, method: str, path: str, body: str = "", **changes: Any) -> dict[str, str]:
        """Return the headers the vendor's client would send; `changes`: a header of another value, or None for none."""
        options = {name: changes.pop(name) for name in ("date_rfc2616", "nonce", "auth_method") if name in changes}
        headers = RestClient.generate_telesign_headers(self.id, self.secret, method, path, body, **options)
        return {name: value for name, value in {**headers, **changes}.items() if value is not None}

    def ask(self, method: str, path: str, body: str | None = None, headers: Mapping[str, str] | None = None) -> Answer:
        """Return the answer to one signed call."""
        reported = headers if headers is not None else self.signed(method, path.partition("?")[0], body or "")
        return self.house.ask(method, f"/telesign{path}", body, reported)


MakeCustomer = Callable[..., Customer]


@pytest.fixture
def customer(running_gateway: RunningGateway) -> Iterator[Customer]:
    """A customer with the settings every key has at first, but for its limits on one number."""
    made = Customer(running_gateway, settings={"hard_cap": 1000})
    yield made
    for client in made.clients:
        client.session.close()


@pytest.fixture
def others(running_gateway: RunningGateway) -> Iterator[MakeCustomer]:
    """Makes more customers."""
    made: list[Customer] = []

    def make(**properties: Any) -> Customer:
        made.append(Customer(running_gateway, **properties))
        return made[-1]

    yield make
    for each in made:
        for client in each.clients:
            client.session.close()


def text_of(world: World, reference: str) -> str:
    """Return the text of a message as its row has it."""
    [found] = world.rows("SELECT body FROM messages WHERE request_id = %(id)s", id=UUID(hex=reference))
    return str(found)


def code_of(world: World, reference: str) -> str:
    """Return the code that a message carries."""
    found = re.search("[0-9]{3,7}", text_of(world, reference))
    assert found is not None
    return found[0]


def carry(world: World) -> None:
    """Deliver what is queued."""
    deliver(world.rt, world.rows("SELECT id FROM batches WHERE status = 'queued'"))


# The vendor's own client ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", [None, "Basic"])
def test_the_vendors_client_sends_verifies_and_completes(customer: Customer, world: World, method: str | None) -> None:
    client = customer.client(method)

    sent = client.sms(NUMBER, template="Your code is $$CODE$$", ucid="ATCK", language="en-US")

    reference = sent.json["reference_id"]
    assert sent.status_code == 200, sent.body
    assert re.fullmatch("[0-9A-F]{32}", reference)
    updated_on = sent.json["status"].pop("updated_on")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", updated_on)
    assert sent.json == {
        "reference_id": reference,
        "sub_resource": "sms",
        "errors": [],
        "status": {"code": 290, "description": "Message in progress"},
        "verify": {"code_state": "UNKNOWN", "code_entered": ""},
    }

    code = code_of(world, reference)
    assert text_of(world, reference) == f"Your code is {code}"
    assert len(code) == 7
    assert client.status(reference).json["status"]["code"] == 290
    carry(world)
    assert client.status(reference).json["status"]["code"] == 203

    wrong = client.status(reference, verify_code="12")
    assert wrong.json["verify"] == {"code_state": "INVALID", "code_entered": "12"}
    right = client.status(reference, verify_code=code)
    assert (right.status_code, right.json["verify"]) == (200, {"code_state": "VALID", "code_entered": code})

    completed = client.completion(reference)
    assert completed.status_code == 200
    assert completed.json["status"].pop("updated_on")
    assert completed.json == {
        "reference_id": reference,
        "subresource": "sms",
        "errors": [],
        "status": {"code": 1900, "description": "Verify completion successfully recorded"},
    }


@pytest.mark.parametrize("method", [None, "Basic"])
def test_a_code_is_refused_after_the_maximum_of_attempts(customer: Customer, world: World, method: str | None) -> None:
    client = customer.client(method)
    reference = client.sms(NUMBER).json["reference_id"]
    code = code_of(world, reference)

    states = [client.status(reference, verify_code=guess).json["verify"]["code_state"] for guess in ("0", "1", "2")]
    assert states == ["INVALID"] * 3
    late = client.status(reference, verify_code=code)

    assert (late.status_code, late.json["verify"]) == (
        200,
        {"code_state": "MAX_ATTEMPTS_EXCEEDED", "code_entered": code},
    )
    assert client.status(reference).json["verify"] == {"code_state": "UNKNOWN", "code_entered": ""}


def test_an_expired_code_has_the_state_expired(customer: Customer, world: World) -> None:
    client = customer.client()
    reference = client.sms(NUMBER).json["reference_id"]
    world.run("UPDATE challenges SET expires_at = now()")

    assert client.status(reference, verify_code=code_of(world, reference)).json["verify"]["code_state"] == "EXPIRED"


def test_a_code_given_in_the_request_is_sent_and_verified(customer: Customer, world: World) -> None:
    client = customer.client()

    reference = client.sms(NUMBER, verify_code="007", template="Code: $$CODE$$").json["reference_id"]

    assert text_of(world, reference) == "Code: 007"
    assert client.status(reference, verify_code="007").json["verify"]["code_state"] == "VALID"


def test_validity_attempts_and_text_length_are_settings_of_the_key(others: MakeCustomer, world: World) -> None:
    client = others(settings={"max_attempts": 1, "validity": 3600, "max_text": 1600}).client()

    sent = client.sms(NUMBER, template="x" * 1000 + "$$CODE$$")

    assert sent.status_code == 200, sent.body
    assert world.rows("SELECT max_attempts, expires_at - created_at > interval '50 minutes' FROM challenges") == [
        (1, True)
    ]


# What is sent ----------------------------------------------------------------------------------------------------


def test_a_message_has_the_otp_class_and_the_validity_of_its_code(customer: Customer, world: World) -> None:
    customer.client().sms(NUMBER)

    [row] = world.rows(
        """
        SELECT b.class, c.expires_at - b.valid_until BETWEEN interval '0' AND interval '1 second', m.sender, m.phone,
               r.dialect, r.operation, m.body LIKE 'Your verification code%%'
        FROM messages AS m JOIN batches AS b ON b.id = m.batch_id JOIN requests AS r ON r.id = m.request_id
        JOIN challenges AS c ON c.id = r.id
        """
    )
    assert row == ("otp", True, "ACME", f"+{NUMBER}", "telesign", "verify", True)


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"language": "de"}, "Ihr Bestätigungscode lautet 4711"),
        ({"template": "${name} $${x} $$CODE$$ {0} %s"}, "${name} $${x} 4711 {0} %s"),
        (
            {
                "template": "$$CODE$$: $$AMOUNT$$ to $$PAYEE$$",
                "transaction_amount": "5 €",
                "transaction_payee": "$$CODE$$",
            },
            "4711: 5 € to $$CODE$$",
        ),
        ({"template": "My own 815"}, "My own 815"),
        ({"template": "  first\nsecond $$CODE$$ "}, "  first\nsecond 4711 "),
    ],
)
def test_the_text_is_the_template_or_the_default_of_the_language(
    customer: Customer, world: World, fields: dict[str, str], text: str
) -> None:
    reference = customer.client().sms(NUMBER, verify_code="4711", **fields).json["reference_id"]

    assert text_of(world, reference) == text


def test_an_unregistered_sender_is_replaced_by_the_default_one(
    customer: Customer, others: MakeCustomer, world: World
) -> None:
    with_default = others(settings={"sender": "KEYS"})
    for sender in ("SECOND", "KEYS"):
        world.run(
            "INSERT INTO sender_ids (account_id, sender) VALUES (%(account)s, %(sender)s)",
            account=world.account,
            sender=sender,
        )
    sent = [
        customer.client().sms(NUMBER, sender_id="SECOND"),
        customer.client().sms(NUMBER, sender_id="STRANGER"),
        with_default.client().sms(NUMBER, sender_id="STRANGER"),
        with_default.client().sms(NUMBER, sender_id="SECOND"),
    ]

    assert {each.status_code for each in sent} == {200}
    assert world.rows("SELECT sender FROM messages ORDER BY id") == ["SECOND", "ACME", "KEYS", "SECOND"]


def test_a_repeated_request_creates_a_second_message(customer: Customer, world: World) -> None:
    client = customer.client()

    references = {client.sms(NUMBER, verify_code="4711").json["reference_id"] for _ in range(2)}

    assert len(references) == 2
    assert world.rows("SELECT count(*) FROM messages") == [2]


def test_messages_of_a_test_key_are_free_and_use_the_simulated_carrier(others: MakeCustomer, world: World) -> None:
    before = world.balance()

    others(test=True).client().sms(NUMBER)
    carry(world)

    assert world.rows("SELECT carrier, test FROM batches") == [("simulated", True)]
    assert world.balance() == before


def test_live_and_test_keys_cannot_access_transactions_of_each_other(
    customer: Customer, others: MakeCustomer, world: World
) -> None:
    live, trial = customer.client(), others(test=True).client()
    sent = {client: client.sms(NUMBER, verify_code="4711").json["reference_id"] for client in (live, trial)}

    for client, other in ((live, sent[trial]), (trial, sent[live])):
        assert client.status(other, verify_code="1234").status_code == 404
        assert client.completion(other).status_code == 404
    assert world.rows("SELECT attempts, completed_at FROM challenges") == [(0, None)] * 2
    for client, own in sent.items():
        assert client.status(own, verify_code="4711").json["verify"]["code_state"] == "VALID"
        assert client.completion(own).status_code == 200


# Authentication --------------------------------------------------------------------------------------------------


def error_of(answer: Answer) -> tuple[int, int]:
    """Return the HTTP status and the error code of an answer."""
    return answer.status, answer.json["errors"][0]["code"]


BODY = urlencode({"phone_number": NUMBER})


def test_a_missing_authorization_header_is_refused_with_a_reference_id_only_on_post(customer: Customer) -> None:
    sent = customer.ask("POST", "/v1/verify/sms", BODY, {})
    asked = customer.ask("GET", "/v1/verify/0123456789ABCDEF0123456789ABCDEF", None, {})

    assert re.fullmatch("[0-9A-F]{32}", sent.json["reference_id"])
    assert sent.json["sub_resource"] == "sms"
    assert (asked.json["reference_id"], asked.json["sub_resource"]) == (None, None)
    for answer in (sent, asked):
        assert answer.headers["content-type"] == "application/json"
        assert error_of(answer) == (401, -30004)
        assert answer.json["errors"][0]["description"] == "Missing required 'Authorization' header"
        assert (answer.json["status"]["code"], answer.json["status"]["description"]) == (501, "Not authorized")


def test_an_unknown_customer_id_gets_the_same_error_as_a_wrong_key(customer: Customer) -> None:
    for method, code in ((None, -30006), ("Basic", -30015)):
        answer = customer.client(method, id_="FFFFFFFF-EEEE-DDDD-1234-AB1234567890").sms(NUMBER)
        assert (answer.status_code, answer.json["errors"][0]["code"]) == (401, code)


def test_a_revoked_key_is_refused(customer: Customer, world: World) -> None:
    world.run("UPDATE api_keys SET revoked_at = now()")

    assert customer.client().sms(NUMBER).json["errors"][0]["code"] == -30006


def test_a_suspended_account_gets_its_own_error_only_with_a_valid_signature(customer: Customer, world: World) -> None:
    set_account_state(world.rt, "acme", AccountState.SUSPENDED)

    reported = [customer.client(secret=word).sms(NUMBER).json["errors"][0]["code"] for word in (None, "d3Jvbmc=")]

    assert reported == [-30001, -30006]


def test_a_wrong_key_is_refused_with_401(customer: Customer) -> None:
    signed = customer.client(secret="d3Jvbmc=").sms(NUMBER)
    shown = customer.client("Basic", secret="d3Jvbmc=").sms(NUMBER)

    assert (signed.status_code, signed.json["errors"][0]["code"]) == (401, -30006)
    assert signed.json["signature_string"].endswith(f"\nphone_number={NUMBER}\n/v1/verify/sms")
    assert (shown.status_code, shown.json["errors"][0]["code"]) == (401, -30015)
    assert "signature_string" not in shown.json


def test_a_key_is_refused_outside_its_networks(others: MakeCustomer) -> None:
    elsewhere, here = others(networks=["203.0.113.0/24"]), others(networks=["127.0.0.0/8"])

    answer = elsewhere.client().sms(NUMBER)
    assert (answer.status_code, answer.json["errors"][0]) == (
        401,
        {"code": -10009, "description": "Invalid source IP address"},
    )
    assert answer.json["status"]["code"] == 500
    assert here.client().sms(NUMBER).status_code == 200


def test_a_key_without_the_scope_is_refused_as_not_enabled(others: MakeCustomer, world: World) -> None:
    other = others()
    world.run("UPDATE api_keys SET scopes = '{billing}'")

    assert error_of(other.ask("POST", "/v1/verify/sms", BODY)) == (401, -20002)


def test_an_account_without_a_sender_is_refused_as_not_enabled(customer: Customer, world: World) -> None:
    world.run("DELETE FROM sender_ids")

    assert error_of(customer.ask("POST", "/v1/verify/sms", BODY)) == (401, -20002)


def test_a_nonce_is_accepted_once(customer: Customer) -> None:
    headers = customer.signed("POST", "/v1/verify/sms", BODY, nonce=str(uuid4()))

    assert customer.ask("POST", "/v1/verify/sms", BODY, headers).status == 200
    again = customer.ask("POST", "/v1/verify/sms", BODY, headers)

    assert error_of(again) == (401, -30012)
    assert again.json["status"]["code"] == 501


def test_a_forged_signature_does_not_use_up_its_nonce(customer: Customer) -> None:
    nonce = str(uuid4())
    forged = {
        **customer.signed("POST", "/v1/verify/sms", BODY, nonce=nonce),
        "Authorization": f"TSA {customer.id}:AAAA",
    }

    assert error_of(customer.ask("POST", "/v1/verify/sms", BODY, forged)) == (401, -30006)
    assert (
        customer.ask(
            "POST", "/v1/verify/sms", BODY, customer.signed("POST", "/v1/verify/sms", BODY, nonce=nonce)
        ).status
        == 200
    )


def test_a_date_of_an_hour_ago_is_refused(customer: Customer) -> None:
    old = format_datetime(datetime.now(UTC) - timedelta(hours=1), usegmt=True)

    headers = customer.signed("POST", "/v1/verify/sms", BODY, date_rfc2616=old)

    assert error_of(customer.ask("POST", "/v1/verify/sms", BODY, headers)) == (401, -30010)


def test_the_signature_covers_the_raw_body(customer: Customer, world: World) -> None:
    for body in (f"phone_number={NUMBER}&template=a%20b+c%2b", f"template=x&phone_number=%2B{NUMBER}&x=%zz"):
        assert customer.ask("POST", "/v1/verify/sms", body).status == 200
    assert world.rows("SELECT body FROM messages ORDER BY id") == ["a b c+", "x"]


class TestWithoutValkey:
    """Nonces cannot be checked: signed requests are refused, keys sent as passwords are not."""

    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        """Settings that name a Valkey which is not there."""
        return settings.model_copy(update={"valkey_url": SecretStr("redis://127.0.0.1:1/0")})

    def test_signed_requests_are_refused(self, customer: Customer) -> None:
        reference = "0123456789ABCDEF0123456789ABCDEF"
        answers = [
            customer.ask("POST", "/v1/verify/sms", BODY),
            customer.ask("GET", f"/v1/verify/{reference}"),
            customer.ask("PUT", f"/v1/verify/completion/{reference}"),
        ]

        assert [error_of(each) for each in answers] == [(500, -90001), (503, -90001), (503, -90001)]
        assert answers[0].json["errors"][0]["description"] == "System Unavailable, please try again later."

    def test_requests_with_basic_authentication_are_accepted(self, customer: Customer) -> None:
        assert customer.client("Basic").sms(NUMBER).status_code == 200


# Limits ----------------------------------------------------------------------------------------------------------


def test_requests_beyond_the_rate_of_a_key_are_refused_with_429(others: MakeCustomer) -> None:
    client = others(settings={"rate": 0.01, "burst": 2, "hard_cap": 1000}).client()

    answers = [client.sms(f"23480123456{n}0") for n in range(4)]

    assert [each.status_code for each in answers] == [200, 200, 429, 429]
    assert answers[2].json["errors"] == [{"code": -40007, "description": "Rate Limit Exceeded"}]
    assert answers[2].json["status"]["code"] == 500
    assert "Retry-After" not in answers[2].headers


def test_codes_beyond_the_hard_cap_of_a_number_are_refused_however_it_is_written(
    others: MakeCustomer, world: World
) -> None:
    client = others(settings={"hard_cap": 2}).client()

    answers = [client.sms(number) for number in (NUMBER, f"+{NUMBER}", "234 801 234 5678", "2348012345679")]

    assert [each.status_code for each in answers] == [200, 200, 429, 200]
    assert answers[2].json["errors"] == [
        {"code": -40008, "description": "Verify SMS exceeded transaction hard cap. Request denied."}
    ]
    assert world.rows("SELECT count(*) FROM challenges") == [3]


def test_a_second_code_within_the_pause_of_the_key_is_refused(others: MakeCustomer) -> None:
    client = others(settings={"pause": 30}).client()

    answers = [client.sms(NUMBER) for _ in range(2)]

    assert [each.status_code for each in answers] == [200, 429]
    assert answers[1].json["errors"][0]["code"] == -40007


def test_the_default_hard_cap_is_five_codes_an_hour(others: MakeCustomer) -> None:
    client = others().client()

    assert [client.sms(NUMBER).status_code for _ in range(6)] == [200] * 5 + [429]


# What is refused -------------------------------------------------------------------------------------------------


def test_a_trial_customer_sends_to_verified_numbers_only(others: MakeCustomer) -> None:
    client = others(settings={"trial_numbers": [f"+{NUMBER}"]}).client()

    refused = client.sms("2348012345679")

    assert client.sms(NUMBER).status_code == 200
    assert (refused.status_code, refused.json["status"]["code"]) == (401, 500)
    assert refused.json["errors"] == [
        {"code": -10033, "description": "2348012345679 has not been verified for this trial account."}
    ]


def test_a_message_without_funds_is_refused_with_400(customer: Customer, world: World) -> None:
    world.run("UPDATE wallets SET balance = 0")
    sent = customer.client().sms(NUMBER)

    assert (sent.status_code, sent.json["errors"]) == (
        400,
        [{"code": -10030, "description": "Insufficient funds in prepaid wallet."}],
    )
    asked = customer.client().status(sent.json["reference_id"])
    assert (asked.status_code, asked.json["status"]["code"]) == (200, 500)


def test_a_number_without_a_route_is_refused(customer: Customer, world: World) -> None:
    world.run("DELETE FROM routes")

    sent = customer.client().sms(NUMBER)

    assert (sent.status_code, sent.json["errors"][0]["code"]) == (400, -10001)
    assert customer.client().status(sent.json["reference_id"]).json["status"]["code"] == 230


@pytest.mark.parametrize(
    "url", ["https://127.0.0.1/hook", "https://10.1.2.3/", "https://localhost/x", "http://example.com/x"]
)
def test_a_callback_url_to_a_private_address_or_over_http_is_refused(
    customer: Customer, url: str, world: World
) -> None:
    answer = customer.client().sms(NUMBER, callback_url=url)

    assert answer.status_code == 400
    assert answer.json["errors"][0]["code"] == -10001
    assert answer.json["errors"][0]["description"].startswith("Not Allowed Host: IP/Hostname Parameter: ")
    assert world.rows("SELECT count(*) FROM messages") == [0]


def test_the_callback_url_is_stored_for_the_delivery_report(customer: Customer, world: World) -> None:
    reference = customer.client().sms(NUMBER, callback_url="https://example.com/hook").json["reference_id"]
    carry(world)

    assert world.rows(
        """
        SELECT d.status, c.callback_url FROM webhook_deliveries AS d JOIN challenges AS c ON c.id = d.challenge_id
        WHERE c.id = %(id)s AND d.status = 'sent'
        """,
        id=UUID(hex=reference),
    ) == [("sent", "https://example.com/hook")]


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("POST", "/v1/verify/call", 405, -40006),
        ("POST", "/v1/verify/smart/more", 404, -40006),
        ("GET", "/", 404, -40006),
        ("GET", "", 404, -40006),
        ("DELETE", "/v1/verify/sms", 405, -40006),
        ("GET", "/v1/verify/sms", 400, -10001),
        ("GET", "/v1/verify/None", 400, -10001),
        ("GET", "/v1/verify/0123456789ABCDEF0123456789ABCDEF", 404, -10001),
        ("PUT", "/v1/verify/completion/None", 401, -30013),
        ("PUT", "/v1/verify/completion/0123456789ABCDEF0123456789ABCDEF", 404, -10001),
    ],
)
def test_unknown_paths_methods_and_references_are_refused_in_the_vendors_format(
    customer: Customer, method: str, path: str, status: int, code: int
) -> None:
    answer = customer.ask(method, path, "" if method in ("POST", "PUT") else None)

    assert error_of(answer) == (status, code)
    assert answer.headers["content-type"] == "application/json"
    assert set(answer.json) == {"reference_id", "sub_resource", "errors", "status"}


def test_a_body_of_another_media_type_or_too_large_is_refused_in_the_vendors_format(customer: Customer) -> None:
    headers = {**customer.signed("POST", "/v1/verify/sms", "{}"), "Content-Type": "application/json"}
    basic = {**customer.signed("POST", "/v1/verify/sms", "{}", auth_method="Basic"), "Content-Type": "application/json"}

    assert error_of(customer.ask("POST", "/v1/verify/sms", "{}", headers)) == (401, -30006)
    assert error_of(customer.ask("POST", "/v1/verify/sms", "{}", basic)) == (415, -40006)
    assert error_of(customer.ask("POST", "/v1/verify/sms", "x" * 70_000)) == (413, -40006)


def test_a_transaction_of_another_customer_is_not_found(customer: Customer, world: World) -> None:
    reference = customer.client().sms(NUMBER).json["reference_id"]
    world.run("INSERT INTO accounts (name, currency) VALUES ('other', 'NGN')")
    world.run("UPDATE api_keys SET account_id = (SELECT id FROM accounts WHERE name = 'other')")

    client = customer.client()

    assert client.status(reference, verify_code="1").json["errors"][0]["code"] == -10001
    assert client.completion(reference).json["errors"][0]["code"] == -10001
    assert world.rows("SELECT attempts, completed_at FROM challenges") == [(0, None)]


def test_a_transaction_expires_after_twelve_hours(customer: Customer, world: World) -> None:
    client = customer.client()
    reference = client.sms(NUMBER).json["reference_id"]

    world.run("UPDATE requests SET created_at = now() - interval '11 hours 59 minutes'")
    assert client.status(reference).status_code == 200
    world.run("UPDATE requests SET created_at = now() - interval '12 hours 1 minute'")
    expired = client.status(reference)

    assert (expired.status_code, expired.json["status"]["code"]) == (404, 599)
    assert expired.json["errors"] == [{"code": -10004, "description": "Reference ID expired."}]
    assert (expired.json["reference_id"], expired.json["sub_resource"]) == (reference, "")


@pytest.mark.parametrize(
    ("status", "error", "code", "words"),
    [
        ("delivered", None, 200, "Delivered to handset"),
        ("failed", "undelivered", 207, "Error delivering SMS to handset (reason unknown)"),
        ("failed", "unresolved", 250, "Final status unknown"),
    ],
)
@pytest.mark.unsound("its end is written by hand")
def test_the_status_of_a_message_is_returned_with_its_time(
    customer: Customer, world: World, status: str, error: str | None, code: int, words: str
) -> None:
    client = customer.client()
    reference = client.sms(NUMBER).json["reference_id"]
    carry(world)
    world.run(
        "UPDATE messages SET status = %(status)s, error_code = %(error)s, final_at = now()", status=status, error=error
    )

    reported = client.status(reference).json["status"]

    assert (reported["code"], reported["description"]) == (code, words)
    [final] = world.rows("SELECT final_at FROM messages")
    assert datetime.fromisoformat(reported["updated_on"]) == final


def test_a_message_not_sent_within_its_validity_has_the_status_expired(customer: Customer, world: World) -> None:
    client = customer.client()
    reference = client.sms(NUMBER).json["reference_id"]
    world.run("UPDATE batches SET valid_until = now() - interval '1 second'")
    carry(world)

    assert client.status(reference).json["status"]["code"] == 221


def test_concurrent_requests_are_each_answered(customer: Customer, world: World) -> None:
    with ThreadPoolExecutor(8) as crowd:
        found = list(
            crowd.map(lambda n: customer.ask("POST", "/v1/verify/sms", f"phone_number=23480123{n:05}"), range(40))
        )

    assert {each.status for each in found} == {200}
    assert len({each.json["reference_id"] for each in found}) == 40
    assert world.rows("SELECT count(*) FROM challenges AS c JOIN messages AS m ON m.request_id = c.id") == [40]
