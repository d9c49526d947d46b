"""TeleSign's form fields, and every response with its HTTP status, status code and error code."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import pytest
from pydantic import ValidationError

from pipeline.dialects.telesign import errors, key_settings, requests, responses, statuses, templates
from pipeline.dialects.telesign.errors import ERRORS, TelesignFault
from pipeline.dialects.telesign.requests import VerificationRequest
from schema.api import ApiRequest
from schema.message import Refusal
from schema.vocabulary import Code, Status

AT = datetime(2026, 11, 21, 10, tzinfo=UTC)
ID = UUID("019b7a2e-4d51-7c3a-9f10-2b6c1d3e4f50")
SPELT = "019B7A2E4D517C3A9F102B6C1D3E4F50"
NUMBER = "15555551234"


def post(body: str = "", content_type: str = "application/x-www-form-urlencoded; charset=UTF-8") -> ApiRequest:
    headers = {"content-type": content_type} if content_type else {}
    return ApiRequest("POST", "/v1/verify/sms", "", headers, body.encode(), "192.0.2.1", at=AT, id=ID)


def get(query: str = "", path: str = f"/v1/verify/{SPELT}", method: str = "GET") -> ApiRequest:
    return ApiRequest(method, path, query, {}, b"", "192.0.2.1", at=AT, id=ID)


def read(**form: str) -> VerificationRequest | list[TelesignFault]:
    return requests.read_sms(post(urlencode({"phone_number": NUMBER, **form})))


def asked(**form: str) -> VerificationRequest:
    found = read(**form)
    assert isinstance(found, VerificationRequest), found
    return found


def shown(reply: Any) -> Any:
    """Return an answer with its HTTP status, its JSON's fields in their order."""
    return reply.status, json.loads(reply.body, object_pairs_hook=list)


# The form --------------------------------------------------------------------------------------------------------


def test_a_form_with_all_fourteen_fields_is_read() -> None:
    found = asked(
        ucid="TRVF",
        originating_ip="2001:db8::1",
        language="de-DE",
        verify_code="007",
        template="$$CODE$$: pay $$AMOUNT$$ to $$PAYEE$$",
        sender_id="ACME",
        is_primary="false",
        dlt_template_id="1" * 40,
        dlt_entity_id="2" * 40,
        transaction_amount="EUR 5",
        transaction_payee="Bob",
        sim_swap_check="true",
        callback_url="https://example.com/hook",
        unheard_of="is passed over",
    )

    assert found == VerificationRequest(
        phone="+15555551234",
        code="007",
        template="$$CODE$$: pay $$AMOUNT$$ to $$PAYEE$$",
        amount="EUR 5",
        payee="Bob",
        sender_id="ACME",
        callback_url="https://example.com/hook",
    )


def test_a_form_with_only_a_number_is_valid() -> None:
    assert asked() == VerificationRequest(
        "+15555551234", None, "Your verification code is $$CODE$$", "", "", None, None
    )


@pytest.mark.parametrize("number", ["15555551234", "+15555551234", " 1 555 555 1234 ", "+ 1 5555551234"])
def test_a_number_may_have_a_plus_and_blanks(number: str) -> None:
    assert asked(phone_number=number).phone == "+15555551234"


def test_empty_fields_are_treated_as_absent() -> None:
    assert asked(verify_code="", template=" ", sender_id="", callback_url="", ucid="") == asked()


def test_the_content_type_may_be_missing() -> None:
    assert isinstance(requests.read_sms(post(f"phone_number={NUMBER}", "")), VerificationRequest)


INVALID = {
    "phone_number=": "Invalid Request: Missing Parameter: phone_number",
    "language=de": "Invalid Request: Missing Parameter: phone_number",
    "phone_number=12": "Invalid Request: PhoneNumber Parameter",
    "phone_number=call+me": "Invalid Request: PhoneNumber Parameter",
    "phone_number=1-555-555-1234": "Invalid Request: PhoneNumber Parameter",
    "phone_number=%D9%A1%D9%A5%D9%A5%D9%A5%D9%A5%D9%A5%D9%A5%D9%A1": "Invalid Request: PhoneNumber Parameter",
    f"phone_number={NUMBER}&ucid=NOPE": "Invalid Request: Ucid Parameter: NOPE",
    f"phone_number={NUMBER}&originating_ip=1.2.3": "Invalid Request: OriginatingIp Parameter: 1.2.3",
    f"phone_number={NUMBER}&language={'x' * 41}": f"Invalid Request: Language Parameter: {'x' * 41}",
    f"phone_number={NUMBER}&verify_code=12": "Invalid Request: VerifyCode Parameter: 12",
    f"phone_number={NUMBER}&verify_code=12345678": "Invalid Request: VerifyCode Parameter: 12345678",
    f"phone_number={NUMBER}&verify_code=12a4": "Invalid Request: VerifyCode Parameter: 12a4",
    f"phone_number={NUMBER}&verify_code=%D9%A1%D9%A2%D9%A3": "Invalid Request: VerifyCode Parameter: ١٢٣",
    f"phone_number={NUMBER}&sender_id={'S' * 21}": f"Invalid Request: SenderId Parameter: {'S' * 21}",
    f"phone_number={NUMBER}&is_primary=maybe": "Invalid Request: IsPrimary Parameter: maybe",
    f"phone_number={NUMBER}&dlt_template_id={'1' * 41}": f"Invalid Request: DltTemplateId Parameter: {'1' * 41}",
    f"phone_number={NUMBER}&dlt_entity_id={'1' * 41}": f"Invalid Request: DltEntityId Parameter: {'1' * 41}",
    f"phone_number={NUMBER}&transaction_amount={'1' * 41}&transaction_payee=Bob": (
        f"Invalid Request: TransactionAmount Parameter: {'1' * 41}"
    ),
    f"phone_number={NUMBER}&transaction_amount=5&transaction_payee={'B' * 41}": (
        f"Invalid Request: TransactionPayee Parameter: {'B' * 41}"
    ),
    f"phone_number={NUMBER}&transaction_amount=5": "Invalid Request: Missing Parameter: transaction_payee",
    f"phone_number={NUMBER}&transaction_payee=Bob": "Invalid Request: Missing Parameter: transaction_amount",
    f"phone_number={NUMBER}&sim_swap_check=perhaps": "Invalid Request: SimSwapCheck Parameter: perhaps",
    f"phone_number={NUMBER}&callback_url={'h' * 2049}": f"Invalid Request: CallbackUrl Parameter: {'h' * 100}",
}


@pytest.mark.parametrize("body", INVALID)
def test_an_invalid_form_is_refused_with_the_vendors_error_text(body: str) -> None:
    call = post(body)
    faults = requests.read_sms(call)
    assert isinstance(faults, list)

    assert shown(errors.refuse_invalid(call, faults)) == (
        400,
        [
            ("reference_id", SPELT),
            ("sub_resource", "sms"),
            ("errors", [[("code", -10001), ("description", INVALID[body])]]),
            (
                "status",
                [
                    ("updated_on", "2026-11-21T10:00:00.000000Z"),
                    ("code", 500),
                    ("description", "Transaction not attempted"),
                ],
            ),
        ],
    )


def test_all_errors_of_a_form_are_reported_together() -> None:
    faults = requests.read_sms(post("verify_code=1&ucid=x&transaction_payee=y"))

    assert isinstance(faults, list)
    assert [fault.code for fault in faults] == [
        Code.MISSING_FIELD,
        Code.INVALID_FIELD,
        Code.INVALID_FIELD,
        Code.MISSING_FIELD,
    ]


@pytest.mark.parametrize("body", ["phone_number=%ff", "a=1&" * 101, "%ff=1"])
def test_a_body_that_is_not_a_valid_form_is_a_bad_request(body: str) -> None:
    call = post(body)
    faults = requests.read_sms(call)
    assert isinstance(faults, list)

    status, said = shown(errors.refuse_invalid(call, faults))
    assert status == 400
    assert dict(said)["errors"] == [[("code", -40006), ("description", "Bad request")]]


def test_a_body_that_is_not_utf_8_is_refused() -> None:
    assert isinstance(requests.read_sms(replace(post(), body=b"phone_number=\xff")), list)


@pytest.mark.parametrize("content_type", ["application/json", "multipart/form-data; boundary=x", "text/plain"])
def test_other_media_types_than_forms_are_refused_with_415(content_type: str) -> None:
    faults = requests.read_sms(post(f"phone_number={NUMBER}", content_type))

    assert isinstance(faults, list)
    assert errors.refuse_invalid(post(), faults).status == 415


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("https://10.0.0.1/hook", "Not Allowed Host: IP/Hostname Parameter: 10.0.0.1/10.0.0.1"),
        ("https://[::1]/hook", "Not Allowed Host: IP/Hostname Parameter: ::1/::1"),
        ("https://localhost/hook", "Not Allowed Host: IP/Hostname Parameter: -/localhost"),
        ("hook", "Invalid Request: CallbackUrl Parameter: hook"),
        ("https://[bad/hook", "Invalid Request: CallbackUrl Parameter: https://[bad/hook"),
    ],
)
def test_the_error_names_the_forbidden_host_of_a_callback_url(url: str, words: str) -> None:
    assert requests.host_refused(url).words == words


# The text --------------------------------------------------------------------------------------------------------


def test_template_variables_are_replaced_once_and_their_values_not_expanded() -> None:
    found = asked(
        template="$$CODE$$ $$AMOUNT$$ $$PAYEE$$ $$OTHER$$ $$CODE ${code} $$$$CODE$$",
        transaction_amount="$$CODE$$",
        transaction_payee="${phone}",
    )

    assert requests.text(found, "1234567", 160) == "1234567 $$CODE$$ ${phone} $$OTHER$$ $$CODE ${code} $$1234567"


def test_a_template_without_a_code_placeholder_is_sent_unchanged() -> None:
    assert requests.text(asked(template="Code 4711"), "1234567", 160) == "Code 4711"


@pytest.mark.parametrize(("length", "longest", "fits"), [(153, 160, True), (154, 160, False), (1593, 1600, True)])
def test_the_length_limit_applies_to_the_rendered_text(length: int, longest: int, fits: bool) -> None:
    found = requests.text(asked(template="x" * length + "$$CODE$$"), "1234567", longest)

    assert isinstance(found, str) is fits
    if isinstance(found, TelesignFault):
        assert found.words == "Invalid Request: Template Parameter"


def test_a_text_with_nul_is_refused() -> None:
    assert isinstance(requests.text(asked(template="a\0b"), "1", 160), TelesignFault)


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("", "Your verification code is 1234567"),
        ("en-US", "Your verification code is 1234567"),
        ("tlh", "Your verification code is 1234567"),
        ("de", "Ihr Bestätigungscode lautet 1234567"),
        ("de-AT", "Ihr Bestätigungscode lautet 1234567"),
        ("FR_ca", "Votre code de vérification est 1234567"),
        ("pt-BR", "Seu código de verificação é 1234567"),
        ("pt-PT", "O seu código de verificação é 1234567"),
        ("zh-CN", "您的验证码是 1234567"),
        ("zh-Hant-HK", "您的驗證碼是 1234567"),
        ("zh-TW", "您的驗證碼是 1234567"),
    ],
)
def test_the_default_text_depends_on_the_language(language: str, text: str) -> None:
    assert requests.text(asked(language=language), "1234567", 160) == text


def test_a_template_overrides_the_language() -> None:
    assert asked(language="de", template="Hi $$CODE$$").template == "Hi $$CODE$$"


def test_every_default_text_has_the_code_once_and_fits_one_segment() -> None:
    assert len(templates.TEXTS) >= 12
    assert all(text.count("$$CODE$$") == 1 and len(text) <= 62 for text in templates.TEXTS.values())


# Reading a path and a query --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "guess"), [("", None), ("verify_code=", None), ("verify_code=12x", "12x"), ("a=1", None)]
)
def test_a_verify_code_in_the_query_is_read_unchanged(query: str, guess: str | None) -> None:
    assert requests.read_guess(get(query)) == guess


def test_an_undecodable_query_is_refused() -> None:
    assert isinstance(requests.read_guess(get("verify_code=%ff")), TelesignFault)


@pytest.mark.parametrize("word", [SPELT, SPELT.lower()])
def test_a_reference_id_is_read_in_upper_or_lower_case(word: str) -> None:
    assert requests.read_reference(word) == ID


@pytest.mark.parametrize("word", ["None", SPELT[:-1], SPELT + "0", "G" * 32, "1" * 31 + "١"])
def test_an_invalid_reference_id_is_refused(word: str) -> None:
    found = requests.read_reference(word)

    assert isinstance(found, TelesignFault)
    assert found.words == f"Invalid Request: ReferenceID Parameter: {word}"


# Answers ---------------------------------------------------------------------------------------------------------


def test_the_status_response_has_the_vendors_fields_in_order() -> None:
    reply = responses.verification_status(ID, 290, AT)

    assert reply.headers == {"Content-Type": "application/json"}
    assert reply.body.decode() == (
        f'{{"reference_id":"{SPELT}","sub_resource":"sms","errors":[],'
        '"status":{"updated_on":"2026-11-21T10:00:00.000000Z","code":290,"description":"Message in progress"},'
        '"verify":{"code_state":"UNKNOWN","code_entered":""}}'
    )


def test_the_status_response_repeats_the_entered_code() -> None:
    reply = responses.verification_status(ID, 200, AT, state="VALID", entered="57244")

    assert json.loads(reply.body)["verify"] == {"code_state": "VALID", "code_entered": "57244"}


def test_the_completion_response_has_the_vendors_spelling_of_subresource() -> None:
    assert responses.completed(ID, AT).body.decode() == (
        f'{{"reference_id":"{SPELT}","subresource":"sms","errors":[],"status":{{'
        '"updated_on":"2026-11-21T10:00:00.000000Z","code":1900,'
        '"description":"Verify completion successfully recorded"}}'
    )


def test_a_time_is_written_in_utc_with_microseconds() -> None:
    assert responses.stamp(AT.replace(microsecond=42).astimezone(timezone(timedelta(hours=1)))) == (
        "2026-11-21T10:00:00.000042Z"
    )


# Where a message stands ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "cause", "code"),
    [
        (Status.SCHEDULED, None, 290),
        (Status.QUEUED, None, 290),
        (Status.SENT, None, 203),
        (Status.DELIVERED, None, 200),
        (Status.CANCELLED, None, 229),
        (Status.FAILED, None, 207),
        (Status.FAILED, Code.EXPIRED, 221),
        (Status.FAILED, Code.NO_CARRIER_LEFT, 505),
        (Status.FAILED, Code.CARRIER_REFUSED, 504),
        (Status.FAILED, Code.UNDELIVERED, 207),
        (Status.FAILED, Code.UNRESOLVED, 250),
        (Status.FAILED, Code.POISON, 506),
        (Status.REJECTED, None, 230),
        (Status.REJECTED, Code.INSUFFICIENT_FUNDS, 500),
        (Status.REJECTED, Code.NO_PRICE, 220),
        (Status.REJECTED, Code.DND_BLOCKED, 510),
        (Status.REJECTED, Code.RATE_KEY, 230),
    ],
)
def test_each_message_status_and_cause_has_a_status_code(status: Status, cause: Code | None, code: int) -> None:
    assert statuses.spell(status, cause) == code


def test_every_status_has_a_code_and_every_code_a_description() -> None:
    assert set(statuses.STATUSES) == set(Status)
    used = {*statuses.STATUSES.values(), *statuses.CAUSES.values(), *(each.status for each in ERRORS.values())}
    assert used <= set(statuses.WORDS)


# Errors ----------------------------------------------------------------------------------------------------------


def test_every_code_has_an_error() -> None:
    assert set(ERRORS) == set(Code)


#: the vendor's table, row by row: what it is to us, HTTP, status code and words, error code and words
TABLE = [
    (Code.BAD_JSON, 400, 500, "Transaction not attempted", -40006, "Bad request"),
    (Code.INSUFFICIENT_FUNDS, 400, 500, "Transaction not attempted", -10030, "Insufficient funds in prepaid wallet."),
    (Code.SOURCE_FORBIDDEN, 401, 500, "Transaction not attempted", -10009, "Invalid source IP address"),
    (Code.FORBIDDEN, 401, 501, "Not authorized", -20002, "This product is not enabled for this Customer ID."),
    (Code.UNAUTHENTICATED, 401, 501, "Not authorized", -30000, "Invalid Customer ID."),
    (Code.ACCOUNT_SUSPENDED, 401, 501, "Not authorized", -30001, "Customer ID Account Suspended."),
    (Code.CONFLICT, 401, 501, "Not authorized", -30012, "'x-ts-nonce' header value has been used recently"),
    (Code.RATE_KEY, 429, 500, "Transaction not attempted", -40007, "Rate Limit Exceeded"),
    (Code.RATE_RECIPIENT, 429, 500, "Transaction not attempted", -40007, "Rate Limit Exceeded"),
    (
        Code.HARD_CAP,
        429,
        500,
        "Transaction not attempted",
        -40008,
        "Verify SMS exceeded transaction hard cap. Request denied.",
    ),
    (Code.PHONE_INVALID, 400, 500, "Transaction not attempted", -10001, "Invalid Request: PhoneNumber Parameter"),
    (Code.METHOD_UNKNOWN, 405, 500, "Transaction not attempted", -40006, "Bad request"),
    (Code.TOO_LARGE, 413, 500, "Transaction not attempted", -40006, "Bad request"),
    (Code.MEDIA_UNKNOWN, 415, 500, "Transaction not attempted", -40006, "Bad request"),
    (Code.UNAVAILABLE, 500, 500, "Transaction not attempted", -90001, "System Unavailable, please try again later."),
    (Code.INTERNAL, 500, 500, "Transaction not attempted", -90001, "System Unavailable, please try again later."),
]


@pytest.mark.parametrize(("ours", "http", "status", "title", "code", "words"), TABLE)
def test_a_send_is_refused_with_the_error_of_the_vendors_table(
    ours: Code, http: int, status: int, title: str, code: int, words: str
) -> None:
    reply = errors.refuse(post(), [Refusal(ours, "words of ours, which go nowhere")], 3.0)

    # their API never says when to try again; where we are away we do
    retry_after = {"Retry-After": "3"} if ours is Code.UNAVAILABLE else {}
    assert (reply.status, reply.headers) == (http, {"Content-Type": "application/json", **retry_after})
    assert reply.body.decode() == (
        f'{{"reference_id":"{SPELT}","sub_resource":"sms","errors":[{{"code":{code},"description":"{words}"}}],'
        f'"status":{{"updated_on":"2026-11-21T10:00:00.000000Z","code":{status},"description":"{title}"}}}}'
    )


#: the errors that only a call's proof can have
SECRETS = {
    errors.MISSING: (501, -30004, "Missing required 'Authorization' header"),
    errors.MALFORMED: (501, -30005, "Required 'Authorization' header is not in the correct format"),
    errors.FORGED: (501, -30006, "Invalid Signature"),
    errors.UNDATED: (501, -30007, "Missing required 'Date' or 'x-ts-date' header"),
    errors.OTHERWISE_SIGNED: (500, -30008, "Invalid 'x-ts-auth-method' header."),
    errors.MISDATED: (501, -30009, "'Date' or 'x-ts-date' header is not RFC822 compliant"),
    errors.UNTIMELY: (501, -30010, "'Date' or 'x-ts-date' header is not within tolerable range"),
    errors.NONCE_LENGTH: (501, -30011, "'x-ts-nonce' header value is either too long or too short"),
    errors.UNCOMPLETABLE: (501, -30013, "Invalid ReferenceID for Verify Completion"),
    errors.WRONG_KEY: (501, -30015, "Invalid API Key."),
}


@pytest.mark.parametrize("error", SECRETS, ids=lambda error: str(error.code))
def test_an_authentication_is_refused_with_the_error_of_the_vendors_table(error: errors.TelesignError) -> None:
    status, code, words = SECRETS[error]
    said = json.loads(errors.respond(post(), [error]).body)

    assert errors.respond(post(), [error]).status == 401
    assert said["errors"] == [{"code": code, "description": words}]
    assert said["status"]["code"] == status


@pytest.mark.parametrize(
    ("ours", "http", "reference", "resource", "status", "code", "words"),
    [
        (Code.NOT_FOUND, 404, SPELT, "", 500, -10001, "CustomerID/ReferenceID not found"),
        (Code.EXPIRED, 404, SPELT, "", 599, -10004, "Reference ID expired."),
        (Code.RATE_KEY, 429, SPELT, "", 500, -40007, "Rate Limit Exceeded"),
        (Code.UNAUTHENTICATED, 401, None, None, 501, -30000, "Invalid Customer ID."),
        (Code.UNAVAILABLE, 503, None, None, 500, -90001, "System Unavailable, please try again later."),
    ],
)
@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_status_and_completion_requests_are_refused_as_in_the_vendors_examples(
    method: str, ours: Code, http: int, reference: str | None, resource: str | None, status: int, code: int, words: str
) -> None:
    path = f"/v1/verify/{'completion/' if method == 'PUT' else ''}{SPELT}"
    reply = errors.refuse(get(path=path, method=method), [Refusal(ours, "")])

    assert shown(reply) == (
        http,
        [
            ("reference_id", reference),
            ("sub_resource", resource),
            ("errors", [[("code", code), ("description", words)]]),
            (
                "status",
                [
                    ("updated_on", "2026-11-21T10:00:00.000000Z"),
                    ("code", status),
                    ("description", statuses.WORDS[status]),
                ],
            ),
        ],
    )


def test_an_unknown_path_is_refused_without_a_reference_id() -> None:
    reply = errors.refuse(get(path="/v2/verify/other/thing"), [Refusal(Code.NOT_FOUND, "")])

    assert reply.status == 404
    said = json.loads(reply.body)
    assert (said["reference_id"], said["errors"][0]["code"]) == (None, -40006)


# What an operator may set ----------------------------------------------------------------------------------------


def test_a_key_without_settings_has_the_documented_defaults() -> None:
    found = key_settings.read({"rate": 5, "colour": "red"})

    assert (found.validity, found.max_attempts, found.max_text, found.hard_cap, found.pause) == (300, 3, 160, 5, 0)
    assert (found.tolerance, found.sender, found.trial_numbers) == (900, None, None)


@pytest.mark.parametrize(
    "settings", [{"tolerance": 901}, {"tolerance": 0}, {"max_text": 1601}, {"validity": "soon"}, {"max_attempts": 0}]
)
def test_a_setting_out_of_its_range_is_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        key_settings.read(settings)


def test_a_numeric_sender_setting_may_be_a_json_number() -> None:
    assert key_settings.read({"sender": 12345}).sender == "12345"
