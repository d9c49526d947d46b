"""Solaris' requests and responses, byte for byte: the specification, the vendor's documentation, RFC 6749."""

import json
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from pipeline.dialects.contract import SECRET
from pipeline.dialects.solaris import authentication, errors, requests, responses
from pipeline.dialects.solaris.authentication import AUTHENTICATION
from pipeline.dialects.solaris.errors import ERRORS, SolarisFault, answer, refuse, too_often
from pipeline.dialects.solaris.key_settings import read
from pipeline.dialects.solaris.requests import Confirmation, SolarisMessage
from pipeline.vault import Vault
from schema.api import ApiKey, ApiRequest, ApiResponse, Person
from schema.message import Refusal
from schema.vocabulary import AccountState, Code
from tests.dialects.vendors import Vendor

NOW = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)
CALL = UUID("3e0c6a1e-6d2b-4a0e-9d0b-0d3f7a4b1c22")
VAULT = Vault("a secret of these tests, long enough")
PARTNER, SECRET_WORD = "0123456789abcdef0123456789abcdef", "correct-horse"
JSON = {"content-type": "application/json"}
FORM = {"content-type": "application/x-www-form-urlencoded"}

#: the seed's own request
SEED: dict[str, Any] = {
    "person_id": "dc1a6812a14f6cc338cd084208535bcdcper",
    "text": "Account Statement for the month of July has been generated. Please login to your account to view.",
    "purpose": "Account statements",
    "idempotency_key": "504f6816-f7b5-4965-bc35-69acadc9f5c7",
}


def call(
    body: Any = b"", path: str = "/v1/sms/messages", headers: Mapping[str, str] = JSON, **fields: Any
) -> ApiRequest:
    written = body if isinstance(body, bytes) else json.dumps(body).encode()
    return ApiRequest("POST", path, "", headers, written, "203.0.113.7", id=CALL, **fields)


def key(**settings: Any) -> ApiKey:
    return ApiKey(
        id=1,
        account=1,
        owner="acme",
        account_state=AccountState.ACTIVE,
        currency="EUR",
        dialect=Vendor.SOLARIS,
        handle=PARTNER,
        test=False,
        scopes=frozenset(),
        networks=(),
        settings=settings,
        secret_hash=VAULT.digest(SECRET, PARTNER, SECRET_WORD),
    )


def said(reply: ApiResponse) -> Any:
    assert reply.headers["Content-Type"] == "application/json"
    return json.loads(reply.body)


# What is asked ------------------------------------------------------------------------------------------------


def test_the_documented_request_is_parsed() -> None:
    read = requests.message(call(SEED))

    assert read == SolarisMessage(
        "dc1a6812a14f6cc338cd084208535bcdcper",
        "Account Statement for the month of July has been generated. Please login to your account to view.",
        "Account statements",
        "504f6816-f7b5-4965-bc35-69acadc9f5c7",
    )


def test_null_and_unknown_fields_are_ignored() -> None:
    read = requests.message(call(SEED | {"priority": None, "Text": 5, "extra": {"deep": [1, 2]}}))

    assert isinstance(read, SolarisMessage)


def test_a_text_may_have_160_code_points_in_any_encoding() -> None:
    longest = "🏦" * 160

    assert isinstance(requests.message(call(SEED | {"text": longest})), SolarisMessage)
    assert isinstance(requests.message(call(SEED | {"text": longest + "!"})), list)


def test_a_text_that_looks_like_a_template_is_not_expanded() -> None:
    read = requests.message(call(SEED | {"text": "Pay ${amount} to ${a.b}, ${amount}!"}))

    assert isinstance(read, SolarisMessage)
    assert read.merge == {"amount": "${amount}", "a.b": "${a.b}"}


def test_an_idempotency_key_is_case_insensitive() -> None:
    read = requests.message(call(SEED | {"idempotency_key": SEED["idempotency_key"].upper()}))

    assert isinstance(read, SolarisMessage)
    assert read.idempotency_key == SEED["idempotency_key"]


#: what is changed in the seed's request → (code, field, message) of each error
FAULTS: list[tuple[dict[str, Any], list[tuple[str, str, str]]]] = [
    ({"person_id": None}, [("invalid_model", "person_id", "can't be blank")]),
    ({"person_id": ""}, [("invalid_model", "person_id", "can't be blank")]),
    ({"person_id": 7}, [("type_error", "person_id", "must be a string")]),
    ({"person_id": "a\x00b"}, [("invalid_model", "person_id", "must be Unicode text without NUL")]),
    ({"text": "\ud83c"}, [("invalid_model", "text", "must be Unicode text without NUL")]),
    ({"text": " Hello"}, [("invalid_model", "text", "must not begin or end with white space")]),
    ({"text": "Hello\n"}, [("invalid_model", "text", "must not begin or end with white space")]),
    ({"text": "   "}, [("invalid_model", "text", "must not begin or end with white space")]),
    ({"text": ["Hello"]}, [("type_error", "text", "must be a string")]),
    ({"text": "x" * 161}, [("invalid_model", "text", "is too long (maximum is 160 characters)")]),
    ({"purpose": " "}, [("invalid_model", "purpose", "must not begin or end with white space")]),
    ({"purpose": False}, [("type_error", "purpose", "must be a string")]),
    ({"idempotency_key": "504f6816"}, [("invalid_model", "idempotency_key", "is not a valid UUID")]),
    (
        {"idempotency_key": "504f6816f7b54965bc3569acadc9f5c7"},
        [("invalid_model", "idempotency_key", "is not a valid UUID")],
    ),
    (
        {"text": None, "purpose": None},
        [("invalid_model", "text", "can't be blank"), ("invalid_model", "purpose", "can't be blank")],
    ),
]


@pytest.mark.parametrize(("change", "found"), FAULTS)
def test_every_invalid_field_is_reported(change: dict[str, Any], found: list[tuple[str, str, str]]) -> None:
    faults = requests.message(call(SEED | change))

    assert isinstance(faults, list)
    assert [(each.words.code, each.field, each.message) for each in faults] == found
    assert [each.detail for each in faults] == [f"{field} {message}" for _, field, message in found]
    assert {each.words.status for each in faults} == {400}


@pytest.mark.parametrize(
    ("body", "headers", "status", "code"),
    [
        (b"", JSON, 400, "invalid_json"),
        (b"{", JSON, 400, "invalid_json"),
        (b"\xff\xfe\xff", JSON, 400, "invalid_json"),
        (b"[" * 100_000, JSON, 400, "invalid_json"),
        (b"1" * 5000, JSON, 400, "invalid_json"),
        (b"[]", JSON, 400, "type_error"),
        (b"null", JSON, 400, "type_error"),
        (b"{}", {"content-type": "text/plain"}, 415, "unsupported_media_type"),
        (b"{}", FORM, 415, "unsupported_media_type"),
    ],
)
def test_a_body_that_is_not_a_json_object_is_refused(
    body: bytes, headers: Mapping[str, str], status: int, code: str
) -> None:
    faults = requests.message(call(body, headers=headers))

    assert isinstance(faults, list)
    assert [(each.words.status, each.words.code) for each in faults] == [(status, code)]


@pytest.mark.parametrize("media", ["", "application/json; charset=utf-8", "application/vnd.api+json"])
def test_every_json_media_type_is_accepted(media: str) -> None:
    assert isinstance(requests.message(call(SEED, headers={"content-type": media})), SolarisMessage)


@pytest.mark.parametrize("written", ["+49 1520-555_55/55", "+4915205555555", "+49-1520 5555555"])
def test_separators_are_removed_from_a_number(written: str) -> None:
    assert requests.number(call({"number": written})) == "+4915205555555"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "can't be blank"),
        ({"number": 4915205555555}, "must be a string"),
        ({"number": " +4915205555555"}, "must not begin or end with white space"),
        ({"number": "4915205555555"}, "is invalid"),
        ({"number": "004915205555555"}, "is invalid"),
        ({"number": "+49(1520)5555555"}, "is invalid"),
        ({"number": "+4915205555555555555"}, "is invalid"),
        ({"number": "+" + "4" * 10_000}, "is invalid"),
        ({"number": "+0"}, "is invalid"),
    ],
)
def test_a_number_that_is_not_e164_is_refused(body: dict[str, Any], message: str) -> None:
    faults = requests.number(call(body))

    assert isinstance(faults, list)
    assert [(each.field, each.message) for each in faults] == [("number", message)]


def test_the_sandbox_number_is_accepted() -> None:
    assert requests.number(call({"number": "+15550101"})) == requests.SANDBOX_NUMBER


def test_a_confirmation_is_parsed_and_needs_a_token() -> None:
    assert requests.confirmation(call({"number": "+15550101", "token": "212212"})) == Confirmation(
        "+15550101", "212212"
    )
    assert isinstance(requests.confirmation(call({"number": "+15550101"})), list)


def test_an_optional_body_may_be_empty() -> None:
    assert requests.optional_number(call(b"")) is None
    assert requests.optional_number(call({})) is None
    assert requests.optional_number(call({"number": "+15550101"})) == "+15550101"
    assert isinstance(requests.optional_number(call({"number": "x"})), list)


# What is answered ---------------------------------------------------------------------------------------------


def test_the_response_to_an_accepted_message_matches_the_documentation() -> None:
    reply = responses.accepted(UUID("4d9d9eab-0392-4ffb-a9c6-dac9f18e3411"))

    assert reply.status == 202
    assert reply.body == (
        b'{"id":"4d9d9eab-0392-4ffb-a9c6-dac9f18e3411","message":"SMS has been accepted for processing."}'
    )


def test_the_response_with_a_number_has_the_vendor_s_field_order() -> None:
    person = Person("p", "+15550101", UUID("91e4d939d781b8eb30d1ee86809761c2"), verified=False, challenge=None)

    made, proven = responses.number(person, 201), responses.number(person, 201, verified=True)

    assert made.body == b'{"id":"91e4d939d781b8eb30d1ee86809761c2cmno","number":"+15550101","verified":false}'
    assert json.loads(proven.body)["verified"] is True


def envelope(status: int, code: str, title: str, detail: str, field: str = "", message: str = "") -> bytes:
    error = {
        "id": str(CALL),
        "status": status,
        "code": code,
        "title": title,
        "detail": detail,
        "source": {"field": field, "message": message},
    }
    return json.dumps({"errors": [error]}, separators=(",", ":")).encode()


LONG = "is too long (maximum is 160 characters)"

#: the seed's and the vendor's rows: how it comes about → (status, code, title, detail, field, message)
ROWS: list[tuple[ApiResponse, tuple[Any, ...]]] = [
    (
        refuse(call(), [Refusal(Code.PERSON_UNKNOWN, "")], 0),
        (400, "Invalid person Id", "Bad Request", "Unable to fetch the person Id"),
    ),
    (
        answer(call(), requests.message(call(SEED | {"text": "x" * 161}))),  # type: ignore[arg-type]
        (400, "invalid_model", "Invalid Model", f"text {LONG}", "text", LONG),
    ),
    (
        answer(call(), [SolarisFault(errors.WRONG_TYPE, "text must be a string", "text", "must be a string")]),
        (400, "type_error", "Type Error", "text must be a string", "text", "must be a string"),
    ),
    (
        refuse(call(), [Refusal(Code.BAD_JSON, "the body did not come")], 0),
        (400, "invalid_json", "Invalid JSON", "The request body is not valid JSON."),
    ),
    (
        refuse(call(), [Refusal(Code.NO_ROUTE, "no carrier serves this destination")], 0),
        (400, "validation_error", "Validation Error", "no carrier serves this destination"),
    ),
    (
        answer(call(), [SolarisFault(errors.TOKEN_REQUIRED)]),
        (401, "token_required", "Token Required", "Token is required."),
    ),
    (
        refuse(call(), [Refusal(Code.UNAUTHENTICATED, "no such key")], 0),
        (401, "invalid_token", "Invalid Token", "Token is expired, revoked or malformed."),
    ),
    (
        refuse(call(), [Refusal(Code.FORBIDDEN, "this key may not do that")], 0),
        (403, "unauthorized_action", "Unauthorized Action", "Unauthorized action is not allowed."),
    ),
    (
        refuse(call(), [Refusal(Code.ACCOUNT_SUSPENDED, "")], 0),
        (403, "unauthorized_partner", "Unauthorized Partner", "The partner's account is not active."),
    ),
    (
        refuse(call(), [Refusal(Code.NOT_FOUND, "there is no such path")], 0),
        (404, "model_not_found", "Model Not Found", "there is no such path"),
    ),
    (
        refuse(call(), [Refusal(Code.METHOD_UNKNOWN, "PUT is no method of this path")], 0),
        (405, "method_not_allowed", "Method Not Allowed", "PUT is no method of this path"),
    ),
    (
        refuse(call(), [Refusal(Code.PHONE_UNVERIFIED, "")], 0),
        (409, "validation_error", "mobile number not verified", "The person's mobile number is unverified"),
    ),
    (
        refuse(call(), [Refusal(Code.TOO_LARGE, "a request may have 65536 bytes")], 0),
        (413, "request_too_large", "Request Too Large", "a request may have 65536 bytes"),
    ),
    (
        refuse(call(), [Refusal(Code.MEDIA_UNKNOWN, "")], 0),
        (415, "unsupported_media_type", "Unsupported Media Type", "Send application/json."),
    ),
    (
        too_often(call(), "+491520555555", 11.2),
        (
            429,
            "sms_request_rate_limit_exceeded",
            "Sms Request Rate Limit Exceeded",
            "SMS request rate limit exceeded for the number: +491520555555",
        ),
    ),
    (
        refuse(call(), [Refusal(Code.INTERNAL, "the fault is ours")], 0),
        (500, "generic_error", "Generic Error", "There was an error."),
    ),
    (
        refuse(call(), [Refusal(Code.UNAVAILABLE, "")], 1),
        (503, "generic_error", "Generic Error", "The service is unavailable. Try again."),
    ),
]


@pytest.mark.parametrize(("reply", "row"), ROWS, ids=lambda each: str(each[1]) if isinstance(each, tuple) else "")
def test_each_error_has_the_vendor_s_format(reply: ApiResponse, row: tuple[Any, ...]) -> None:
    assert reply.status == row[0]
    assert reply.body == envelope(*row)


def test_several_errors_share_one_response() -> None:
    faults = requests.message(call({}))
    assert isinstance(faults, list)

    found = said(answer(call(), faults))["errors"]

    assert [each["source"]["field"] for each in found] == ["person_id", "text", "purpose", "idempotency_key"]
    assert {each["id"] for each in found} == {str(CALL)}


def test_a_rate_limited_request_gets_retry_after() -> None:
    assert too_often(call(), "+491520555555", 11.2).headers["Retry-After"] == "12"
    assert "Retry-After" not in refuse(call(), [Refusal(Code.RATE_KEY, "")], float("inf")).headers


def test_every_code_has_an_error() -> None:
    assert set(ERRORS) == set(Code)


# Who asks -----------------------------------------------------------------------------------------------------


def basic(name: str, secret: str) -> dict[str, str]:
    return FORM | {"authorization": "Basic " + b64encode(f"{name}:{secret}".encode()).decode()}


def asking(body: bytes, headers: Mapping[str, str] = FORM) -> ApiRequest:
    return call(body, "/oauth2/token", headers)


GRANT = b"grant_type=client_credentials&scope=partners"
IN_FORM = GRANT + f"&client_id={PARTNER}&client_secret={SECRET_WORD}".encode()


@pytest.mark.parametrize("asked", [asking(GRANT, basic(PARTNER, SECRET_WORD)), asking(IN_FORM)])
def test_valid_client_credentials_get_a_bearer_token(asked: ApiRequest) -> None:
    assert AUTHENTICATION.find_handle(asked, VAULT) == PARTNER
    assert AUTHENTICATION.verify(asked, key(), VAULT, NOW) is None

    granted = authentication.grant(asked, key(), VAULT, NOW)

    assert granted.status == 200
    assert (granted.headers["Cache-Control"], granted.headers["Pragma"]) == ("no-store", "no-cache")
    assert list(said(granted)) == ["access_token", "token_type", "expires_in"]
    assert (said(granted)["token_type"], said(granted)["expires_in"]) == ("Bearer", 3600)
    bearing = call(SEED, headers={"authorization": f"Bearer {said(granted)['access_token']}"})
    assert AUTHENTICATION.find_handle(bearing, VAULT) == PARTNER
    assert AUTHENTICATION.verify(bearing, key(), VAULT, NOW) is None


@pytest.mark.parametrize(
    ("body", "headers", "status", "error"),
    [
        (GRANT, FORM, 401, "invalid_client"),
        (GRANT, FORM | {"authorization": "Basic !!"}, 401, "invalid_client"),
        (GRANT, FORM | {"authorization": "Basic /w=="}, 401, "invalid_client"),
        (GRANT, FORM | {"authorization": "Bearer x"}, 401, "invalid_client"),
        (GRANT, basic("a\x00b", SECRET_WORD), 401, "invalid_client"),
        (GRANT, basic(PARTNER, ""), 401, "invalid_client"),
        (GRANT, basic(PARTNER, "wrong"), 401, "invalid_client"),
        (IN_FORM, basic(PARTNER, SECRET_WORD), 400, "invalid_request"),
        (GRANT + b"&client_id=another", basic(PARTNER, SECRET_WORD), 400, "invalid_request"),
        (IN_FORM, JSON, 400, "invalid_request"),
        (b"%ff", FORM, 400, "invalid_request"),
        (b"scope=partners", basic(PARTNER, SECRET_WORD), 400, "invalid_request"),
        (b"grant_type=password", basic(PARTNER, SECRET_WORD), 400, "unsupported_grant_type"),
        (b"grant_type=client_credentials&scope=all", basic(PARTNER, SECRET_WORD), 400, "invalid_scope"),
    ],
)
def test_an_invalid_token_request_is_refused_with_the_error_of_rfc_6749(
    body: bytes, headers: Mapping[str, str], status: int, error: str
) -> None:
    asked = asking(body, headers)

    who = AUTHENTICATION.find_handle(asked, VAULT)
    reply = who if isinstance(who, ApiResponse) else AUTHENTICATION.verify(asked, key(), VAULT, NOW)
    reply = reply or authentication.grant(asked, key(), VAULT, NOW)

    assert (reply.status, said(reply)["error"]) == (status, error)
    assert list(said(reply)) == ["error", "error_description"]
    assert reply.headers["Cache-Control"] == "no-store"
    assert ("WWW-Authenticate" in reply.headers) == (status == 401)


@pytest.mark.parametrize("code", Code)
def test_every_refusal_of_a_token_request_has_the_format_of_rfc_6749(code: Code) -> None:
    reply = refuse(asking(GRANT), [Refusal(code, "no")], 0)

    assert set(said(reply)) == {"error", "error_description"}
    assert reply.status in (400, 401, 405, 413, 414, 415, 429, 431, 500, 503)


def test_a_token_expires() -> None:
    short = key(token_seconds=60)
    token = said(authentication.grant(asking(GRANT), short, VAULT, NOW))["access_token"]
    bearing = call(SEED, headers={"authorization": f"Bearer {token}"})

    early = AUTHENTICATION.verify(bearing, short, VAULT, NOW + timedelta(seconds=59))
    late = AUTHENTICATION.verify(bearing, short, VAULT, NOW + timedelta(seconds=60))

    assert early is None
    assert late is not None
    assert late.body == envelope(401, "invalid_token", "Invalid Token", "Token is expired, revoked or malformed.")


def test_forged_tokens_and_tokens_of_other_installations_are_refused() -> None:
    genuine = authentication.make(PARTNER, NOW + timedelta(hours=1), VAULT)
    name, until, seal = genuine.split(".")
    forged = [
        authentication.make(PARTNER, NOW + timedelta(hours=1), Vault("another secret, of another place")),
        f"{name}.{int(until) + 3600}.{seal}",
        f"{name[::-1]}.{until}.{seal}",
        f"{name}.{until}.{seal[:-1]}",
        f"{name}.{until}",
        "x",
        "Ü" * 20,
    ]

    for token in forged:
        denied = AUTHENTICATION.find_handle(call(SEED, headers={"authorization": f"Bearer {token}"}), VAULT)
        assert isinstance(denied, ApiResponse)
        assert (denied.status, said(denied)["errors"][0]["code"]) == (401, "invalid_token")


def test_a_missing_token_is_refused_as_token_required() -> None:
    nothing, other = (
        AUTHENTICATION.find_handle(call(SEED), VAULT),
        AUTHENTICATION.find_handle(call(SEED, headers={"authorization": "Basic x"}), VAULT),
    )

    assert isinstance(nothing, ApiResponse)
    assert isinstance(other, ApiResponse)
    assert said(nothing)["errors"][0]["code"] == "token_required"
    assert said(other)["errors"][0]["code"] == "invalid_token"
    assert nothing.headers["WWW-Authenticate"] == "Bearer"


def test_settings_of_a_key_override_the_defaults() -> None:
    plain, notification = (
        read(key()),
        read(key(sender="Bank", recipient_burst=1, recipient_seconds=2.5, code_attempts=5)),
    )

    assert (plain.sender, plain.recipient_burst, plain.recipient_seconds) == (None, 5, 60)
    assert (plain.token_seconds, plain.code_seconds, plain.code_attempts, plain.hard_cap) == (3600, 300, 3, 5)
    assert notification == replace(plain, sender="Bank", recipient_burst=1, recipient_seconds=2.5, code_attempts=5)
