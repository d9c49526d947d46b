"""TeleSign's signatures: test vectors, the vendor's client, and every error in the order of the checks."""

import json
from base64 import b64decode, b64encode
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from telesign.rest import RestClient

from pipeline.dialects.telesign.authentication import AUTHENTICATION, sign, strings_to_sign
from pipeline.vault import Vault
from schema.api import ApiKey, ApiRequest, ApiResponse
from schema.vocabulary import AccountState
from tests.dialects.vendors import Vendor

CUSTOMER = "FFFFFFFF-EEEE-DDDD-1234-AB1234567890"
SECRET = b"k" * 64
API_KEY = b64encode(SECRET).decode()
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
DATE = "Fri, 02 Jan 2026 03:04:05 GMT"
FORM = "application/x-www-form-urlencoded"
BODY = b"phone_number=15555551234&language=en-US&template=Your+code+is+%24%24CODE%24%24"
VAULT = Vault("a secret of these tests, long enough")


def nonce(last: int) -> str:
    return f"00000000-0000-4000-8000-{last:012}"


def key(**changes: Any) -> ApiKey:
    made = ApiKey(
        id=1,
        account=1,
        owner="acme",
        account_state=AccountState.ACTIVE,
        currency="NGN",
        dialect=Vendor.TELESIGN,
        handle=CUSTOMER,
        test=False,
        scopes=frozenset(),
        networks=(),
        settings={},
        secret=SECRET,
    )
    return replace(made, **changes)


def call(method: str = "POST", path: str = "/v1/verify/sms", body: bytes = BODY, **headers: str | None) -> ApiRequest:
    """Return a signed call; a header that is None is left out."""
    notification = {
        "date": DATE,
        "content-type": FORM if method != "GET" else "",
        "x-ts-auth-method": "HMAC-SHA256",
        "x-ts-nonce": nonce(1),
    }
    notification |= {name.replace("_", "-"): value for name, value in headers.items() if value is not None}
    for name, value in headers.items():
        if value is None:
            notification.pop(name.replace("_", "-"), None)
    made = ApiRequest(method, path, "", notification, body, "192.0.2.1", at=NOW)
    if "authorization" in headers:
        return made
    signature = sign(SECRET, next(strings_to_sign(made))).decode()
    return replace(made, headers={**notification, "authorization": f"TSA {CUSTOMER}:{signature}"})


def judge(made: ApiRequest, own: ApiKey | None = None, now: datetime = NOW) -> ApiResponse | None:
    """Return what is wrong with a call, or None."""
    handle = AUTHENTICATION.find_handle(made, VAULT)
    return handle if isinstance(handle, ApiResponse) else AUTHENTICATION.verify(made, own or key(), VAULT, now)


def error(reply: ApiResponse | None) -> int:
    """Return an answer's error code; 0: there is none."""
    return json.loads(reply.body)["errors"][0]["code"] if reply else 0


# The vectors -----------------------------------------------------------------------------------------------------

VECTORS = {
    "POST": (call(), "zGgDvuLl1oGMTkeU13KnRW5houobRKyVtGcxsJrWpzw="),
    "GET": (
        call("GET", "/v1/verify/0123456789ABCDEF0123456789ABCDEF", b"", x_ts_nonce=nonce(2)),
        "7NnKAnrPUO6MESp62cuWKbNoEdVANYyc+TQZImcPx9k=",
    ),
    "x-ts-date": (
        call(body=b"phone_number=15555551234", x_ts_nonce=nonce(3), date=None, x_ts_date=DATE),
        "MIClbFZZ9BiFM9/UevWLtSuL8Hrr9Fa2EPFrDs+GRkE=",
    ),
}


@pytest.mark.parametrize("name", VECTORS)
def test_signatures_match_the_test_vectors(name: str) -> None:
    made, signature = VECTORS[name]

    assert made.headers["authorization"] == f"TSA {CUSTOMER}:{signature}"
    assert judge(made) is None


def test_a_callback_is_signed_over_its_raw_body() -> None:
    body = b'{"reference_id":"0123456789ABCDEF0123456789ABCDEF","sub_resource":"sms"}'

    assert sign(SECRET, body) == b"gBlK9fO2XMNeyTVtCRZ1JMxoPEqndlOQdUtntbXSnOk="


@pytest.mark.parametrize("method", ["POST", "PUT", "GET"])
@pytest.mark.parametrize("auth_method", [None, "Basic"])
def test_requests_of_the_vendors_client_are_authenticated(method: str, auth_method: str | None) -> None:
    fields = "" if method == "GET" else "phone_number=15555551234"
    headers = RestClient.generate_telesign_headers(
        CUSTOMER, API_KEY, method, "/v1/verify/sms", fields, date_rfc2616=DATE, auth_method=auth_method
    )
    made = call(method, body=fields.encode(), authorization="")
    made = replace(made, headers={name.lower(): value for name, value in headers.items()})

    assert AUTHENTICATION.find_handle(made, VAULT) == CUSTOMER
    assert judge(made) is None


def test_a_signature_with_the_documented_space_in_x_ts_auth_method_is_accepted() -> None:
    made = call()
    _, documented = strings_to_sign(made)
    signature = sign(SECRET, documented).decode()

    assert b"x-ts-auth-method: HMAC-SHA256\n" in documented
    assert judge(replace(made, headers={**made.headers, "authorization": f"TSA {CUSTOMER}:{signature}"})) is None


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"body": BODY.replace(b"+", b"%20")}, "the body, though it means the same"),
        ({"body": b"language=en-US&phone_number=15555551234"}, "the order of the fields"),
        ({"path": "/telesign/v1/verify/sms"}, "the prefix we are mounted under"),
        ({"method": "PUT"}, "the method"),
    ],
)
def test_a_signature_is_invalid_for_another_body_path_or_method(change: dict[str, Any], what: str) -> None:
    assert error(judge(replace(call(), **change))) == -30006, what


@pytest.mark.parametrize("name", ["x-ts-nonce", "date", "content-type"])
def test_the_signature_covers_nonce_date_and_content_type(name: str) -> None:
    made = call()
    value = {"date": "Fri, 02 Jan 2026 03:04:06 GMT"}.get(name, "another")

    assert error(judge(replace(made, headers={**made.headers, name: value}))) == -30006


def test_query_parameters_are_not_signed() -> None:
    assert judge(replace(call("GET", body=b""), query="verify_code=12345")) is None


def test_an_invalid_signature_is_answered_with_the_string_that_should_have_been_signed() -> None:
    reply = judge(call(authorization=f"TSA {CUSTOMER}:AAAA"))

    assert reply is not None
    assert reply.status == 401
    assert json.loads(reply.body) == {
        "reference_id": "00000000000000000000000000000000",
        "sub_resource": "sms",
        "errors": [{"code": -30006, "description": "Invalid Signature"}],
        "signature_string": f"POST\n{FORM}\n{DATE}\nx-ts-auth-method:HMAC-SHA256\nx-ts-nonce:{nonce(1)}\n"
        f"{BODY.decode()}\n/v1/verify/sms",
        "status": {
            "updated_on": "2026-01-02T03:04:05.000000Z",
            "code": 501,
            "description": "Not authorized",
        },
    }


# The order of the faults -----------------------------------------------------------------------------------------

#: what is wrong is mended one by one: each mend uncovers the next fault
LATE, SHORT = "Fri, 02 Jan 2026 05:04:05 GMT", "abc"
FAULTS = [
    (-30004, {"authorization": None}),
    (-30004, {"authorization": " "}),
    (-30005, {"authorization": "Bearer abc"}),
    (-30005, {"authorization": "TSA "}),
    (-30005, {"authorization": "TSA nothing"}),
    (-30005, {"authorization": f"TSA :{API_KEY}"}),
    (-30005, {"authorization": "Basic ???"}),
    (-30005, {"authorization": "Basic " + b64encode(b"nothing").decode()}),
    (-30005, {"authorization": "Basic " + b64encode(b"a\x00b:c").decode()}),
    (-30005, {"authorization": "Basic " + b64encode(f"{CUSTOMER}:é".encode()).decode()}),
    (-30015, {"authorization": "Basic " + b64encode(f"{CUSTOMER}:".encode()).decode()}),
    (-30015, {"authorization": "Basic " + b64encode(f"{CUSTOMER}:{API_KEY[:-4]}".encode()).decode()}),
    (-30008, {"x_ts_auth_method": None, "date": None, "x_ts_nonce": None}),
    (-30008, {"x_ts_auth_method": "HMAC-SHA1", "date": None, "x_ts_nonce": None}),
    (-30007, {"date": None, "x_ts_nonce": None}),
    (-30009, {"date": "2026-01-02T03:04:05Z", "x_ts_nonce": None}),
    (-30009, {"date": "Fri, 02 Jan 2026 03:04:05", "x_ts_nonce": None}),
    (-30009, {"date": "Fri, 32 Jan 2026 03:04:05 GMT", "x_ts_nonce": None}),
    (-30009, {"date": "1767323045", "x_ts_nonce": None}),
    (-30009, {"x_ts_date": "tomorrow", "x_ts_nonce": None}),
    (-30010, {"date": LATE, "x_ts_nonce": None}),
    (-30010, {"x_ts_date": LATE, "x_ts_nonce": None}),
    (-30011, {"x_ts_nonce": None, "authorization": f"TSA {CUSTOMER}:AAAA"}),
    (-30011, {"x_ts_nonce": SHORT, "authorization": f"TSA {CUSTOMER}:AAAA"}),
    (-30011, {"x_ts_nonce": "a" * 65, "authorization": f"TSA {CUSTOMER}:AAAA"}),
    (-30006, {"authorization": f"TSA {CUSTOMER}:AAAA"}),
    (-30006, {"authorization": f"TSA {CUSTOMER}:"}),
    (0, {"x_ts_nonce": "a" * 4}),
    (0, {"x_ts_nonce": "a" * 64}),
    (0, {}),
]


@pytest.mark.parametrize(("code", "changes"), FAULTS)
def test_the_first_error_in_the_vendors_order_is_reported(code: int, changes: dict[str, Any]) -> None:
    assert error(judge(call(**changes))) == code


def test_a_non_ascii_header_is_refused_without_an_internal_error() -> None:
    assert error(judge(call(authorization=f"TSA {CUSTOMER}:é"))) == -30005
    assert error(judge(call(x_ts_nonce="naïve \udcff nonce", authorization=f"TSA {CUSTOMER}:AAAA"))) == -30006


@pytest.mark.parametrize(
    ("off", "code"), [(899, 0), (900, 0), (901, -30010), (-900, 0), (-901, -30010), (3600, -30010), (-3600, -30010)]
)
def test_a_date_may_differ_by_fifteen_minutes(off: int, code: int) -> None:
    assert error(judge(call(), now=NOW + timedelta(seconds=off))) == code


def test_the_date_tolerance_can_be_reduced_in_the_settings_of_the_key() -> None:
    narrow = key(settings={"tolerance": 60})

    assert error(judge(call(), narrow, NOW + timedelta(seconds=59))) == 0
    assert error(judge(call(), narrow, NOW + timedelta(seconds=61))) == -30010


def test_a_key_with_invalid_settings_is_refused_as_unavailable() -> None:
    assert error(judge(call(), key(settings={"tolerance": "wide"}))) == -90001


@pytest.mark.parametrize(
    "date",
    ["02 Jan 2026 03:04:05 +0000", "Fri, 02 Jan 26 03:04:05 UT", "Fri, 2 Jan 2026 04:04:05 +0100", DATE[:-3] + "-0000"],
)
def test_a_date_may_be_written_in_any_way_that_rfc_822_allows(date: str) -> None:
    assert error(judge(call(date=date))) == 0


def test_x_ts_date_overrides_the_date_header() -> None:
    made = call(x_ts_date=DATE, date=LATE)

    assert next(strings_to_sign(made)).split(b"\n")[2] == b""
    assert judge(made) is None


# Nonces ----------------------------------------------------------------------------------------------------------


def test_a_nonce_is_stored_for_twice_the_date_tolerance() -> None:
    found = AUTHENTICATION.nonce(call())

    assert found is not None
    assert (found.word, found.seconds) == (nonce(1), 1800)


def test_basic_authentication_needs_no_nonce() -> None:
    basic = "Basic " + b64encode(f"{CUSTOMER}:{API_KEY}".encode()).decode()
    made = call(authorization=basic, x_ts_auth_method="Basic", date=None, x_ts_nonce=None)

    assert judge(made) is None
    assert AUTHENTICATION.nonce(made) is None


def test_the_authorization_scheme_is_not_overridden_by_x_ts_auth_method() -> None:
    assert error(judge(call(x_ts_auth_method="Basic"))) == -30008


def test_the_api_key_is_the_base64_form_of_the_signing_secret() -> None:
    assert b64decode(API_KEY) == SECRET
