"""Solaris' operations: access tokens, SMS to persons, and persons' mobile numbers with their verification."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from uuid import UUID

from pipeline.dialects.contract import ApiOperation, RequestContext, SendRequest
from pipeline.dialects.solaris import authentication, errors, requests, responses
from pipeline.dialects.solaris.errors import SolarisFault
from pipeline.dialects.solaris.key_settings import read
from pipeline.dialects.solaris.requests import SolarisMessage
from pipeline.stages.api.persons import (
    FoundPerson,
    PersonQuery,
    add_number,
    drop_number,
    find,
    insert_person,
    look_up,
    mark_verified,
    set_challenge,
)
from pipeline.stages.api.take_rate_limits import LimitTake, Refused, of_number
from pipeline.stages.api.verification import CheckedCode, challenge, check, make_code
from schema.api import ApiKey, ApiResponse, Person
from schema.message import Refusal
from schema.message_class import MessageClass
from schema.order import Order
from schema.vocabulary import Code

#: name spaces of the idempotency keys of live and of test messages, and of the verification codes
MESSAGES, TESTS, CODES = "solaris", "solaris.test", "solaris.code"
#: digits of a verification code
_DIGITS = 6
_HOUR = 3600
#: placeholders for a missing recipient or sender: a replay needs neither, any other request is refused
_NOBODY, _NOTHING = "", "-"
#: replaces the number of a live person in responses to test keys
_HIDDEN = "***"

_UNPAID = {
    Code.INSUFFICIENT_FUNDS: "The partner's funds do not cover the message.",
    Code.NO_PRICE: "No price is set for this destination.",
}


# Messages -----------------------------------------------------------------------------------------------------


async def token(context: RequestContext) -> ApiResponse:
    """Answer `POST /oauth2/token`: an access token, or an error of RFC 6749."""
    rt = context.submission.rt
    return authentication.grant(context.call, context.key, rt.vault, rt.now())


async def send(context: RequestContext) -> ApiResponse:
    """Answer `POST /v1/sms/messages`: 202 with the message's id, or an error."""
    key, asked = context.key, requests.message(context.call)
    if isinstance(asked, list):
        return errors.answer(context.call, asked)
    wanted = PersonQuery(key.account, asked.person, TESTS if key.test else MESSAGES, asked.idempotency_key)
    sent = await _send(context, wanted, partial(_message, context, asked))
    return sent if isinstance(sent, ApiResponse) else responses.accepted(sent)


def _message(context: RequestContext, asked: SolarisMessage, found: FoundPerson) -> SendRequest | ApiResponse:
    key = context.key
    if not found.is_replay:
        if found.person is None:
            return _refuse(context, Code.PERSON_UNKNOWN)
        if not _is_reachable(found.person, key):
            return _refuse(context, Code.PHONE_UNVERIFIED)
    order = Order(
        account=key.owner,
        sender=read(key).sender or found.sender or _NOTHING,
        body=asked.text,
        merge=dict(asked.merge),
        recipients=[{"to": (found.person and found.person.phone) or _NOBODY}],
        idempotency_key=asked.idempotency_key,
        door=TESTS if key.test else MESSAGES,
        message_class=MessageClass.TRANSACTIONAL,
        test=key.test,
        submitted_at=context.submission.rt.now(),
    )
    return SendRequest(context.call.id, order, (_limit(context, order.recipients[0].to),), is_new=not found.is_replay)


async def _send(
    context: RequestContext, wanted: PersonQuery, make: Callable[[FoundPerson], SendRequest | ApiResponse]
) -> UUID | ApiResponse:
    """Send what `make` builds for a person; return the message's id, or the error response."""
    found = await context.submission.send_found(look_up, wanted, make)
    if isinstance(found, ApiResponse):
        return found
    sending, answered = found
    if isinstance(answered, Refused):
        return await _too_often(context, wanted.person, sending.order.recipients[0].to, answered.wait)
    [written] = answered.messages
    if written is None:
        return errors.refuse(context.call, answered.refusals, 0)
    if written.refusal is not None:
        return _refuse(context, written.refusal, _UNPAID.get(written.refusal, "The message was refused."))
    return written.id


async def _too_often(context: RequestContext, person_id: str, phone: str, wait: float) -> ApiResponse:
    if context.key.test:
        person = await context.submission.run(find, context.key.account, person_id)
        if person is None or not _may_see(context.key, person):
            phone = _HIDDEN
    return errors.too_often(context.call, phone, wait)


def _may_see(key: ApiKey, person: Person) -> bool:
    """Return whether a key may see a person's number: test keys see those of test persons only."""
    return person.test or not key.test


def _limit(context: RequestContext, phone: str) -> LimitTake:
    key, its = context.key, read(context.key)
    rate = its.recipient_burst / its.recipient_seconds
    name = TESTS if key.test else MESSAGES
    return of_number(context.submission.rt, key.account, name, phone, rate=rate, burst=its.recipient_burst)


def _cap(context: RequestContext, phone: str) -> LimitTake:
    """Return the limit of codes an hour to one number, against SMS pumping: the account pays, not the end user."""
    key, cap = context.key, read(context.key).hard_cap
    return of_number(context.submission.rt, key.account, f"solaris:{key.id}:cap", phone, rate=cap / _HOUR, burst=cap)


def _is_reachable(person: Person, key: ApiKey) -> bool:
    return person.verified and (key.test or person.phone != requests.SANDBOX_NUMBER)


def _refuse(context: RequestContext, code: Code, words: str = "") -> ApiResponse:
    return errors.refuse(context.call, [Refusal(code, words)], 0)


# Persons and their numbers ------------------------------------------------------------------------------------


async def create_person(context: RequestContext) -> ApiResponse:
    """Answer `POST /v1/persons`: 201 with a new id; nothing else of the person is stored."""
    if faults := requests.nothing(context.call):
        return errors.answer(context.call, faults)
    person_id = responses.person_id(context.call.id)
    await context.submission.run(insert_person, context.key.account, person_id, test=context.key.test)
    return responses.person(person_id, 201)


async def show_person(context: RequestContext) -> ApiResponse:
    """Answer `GET /v1/persons/{person_id}`: the person, or 404."""
    person = await _person(context)
    return person if isinstance(person, ApiResponse) else responses.person(person.id)


async def create_number(context: RequestContext) -> ApiResponse:
    """Answer `POST /v1/persons/{person_id}/mobile_number`: 201, or 409 if the person has a number."""
    number = requests.number(context.call)
    if isinstance(number, list):
        return errors.answer(context.call, number)
    person = await _person(context)
    if isinstance(person, ApiResponse):
        return person
    given = await context.submission.run(add_number, context.key.account, person.id, number)
    if given is None:
        words = f"Mobile number already added for person: {person.id}."
        return errors.answer(context.call, [SolarisFault(errors.TAKEN, words)])
    return responses.number(given, 201)


async def show_number(context: RequestContext) -> ApiResponse:
    """Answer `GET /v1/persons/{person_id}/mobile_number`: the number, or 404."""
    person = await _numbered(context, None)
    if isinstance(person, ApiResponse):
        return person
    return responses.number(person, 200) if _may_see(context.key, person) else _no_number(context, person.id)


async def delete_number(context: RequestContext) -> ApiResponse:
    """Answer `DELETE /v1/persons/{person_id}/mobile_number`: at once, also where the vendor has the person confirm."""
    number = requests.optional_number(context.call)
    if isinstance(number, list):
        return errors.answer(context.call, number)
    person = await _numbered(context, number)
    if isinstance(person, ApiResponse):
        return person
    assert person.phone_id is not None
    if not await context.submission.run(drop_number, context.key.account, person.id, person.phone_id):
        return _no_number(context, person.id)
    return responses.number(person, 200)


async def authorize_number(context: RequestContext) -> ApiResponse:
    """Answer `POST …/mobile_number/authorize`: send a code to the number; it voids the previous code."""
    number = requests.number(context.call)
    if isinstance(number, list):
        return errors.answer(context.call, number)
    person = await _numbered(context, number)
    if isinstance(person, ApiResponse):
        return person
    if person.verified:
        return _proven_already(context)
    sent = await _send_code(context, person)
    if isinstance(sent, ApiResponse):
        return sent
    assert person.phone_id is not None
    if not await context.submission.run(
        set_challenge, context.key.account, person.id, person.phone_id, context.call.id
    ):
        return _proven_already(context)
    return responses.number(person, 201)


async def _send_code(context: RequestContext, person: Person) -> UUID | ApiResponse:
    """Send a person a code under the request's id; return the message's id, or the error response."""
    return await _send(context, PersonQuery(context.key.account, person.id), partial(_code, context, person))


def _code(context: RequestContext, person: Person, found: FoundPerson) -> SendRequest:
    key, rt, its = context.key, context.submission.rt, read(context.key)
    code = requests.SANDBOX_CODE if key.test and person.phone == requests.SANDBOX_NUMBER else make_code(_DIGITS)
    ends = rt.now() + timedelta(seconds=its.code_seconds)
    opened = challenge(rt, context.call.id, key.account, code, expires_at=ends, max_attempts=its.code_attempts)
    order = Order(
        account=key.owner,
        sender=its.sender or found.sender or _NOTHING,
        body=responses.code_text(code),
        recipients=[{"to": person.phone}],
        # to the second, so that messages that expire together share a batch
        valid_until=ends.replace(microsecond=0),
        door=CODES,
        message_class=MessageClass.OTP,
        test=key.test,
        submitted_at=rt.now(),
    )
    takes = [_limit(context, order.recipients[0].to)]
    if not key.test:  # test messages are not transmitted
        takes.append(_cap(context, order.recipients[0].to))
    return SendRequest(context.call.id, order, tuple(takes), opened, is_new=True)


async def confirm_number(context: RequestContext) -> ApiResponse:
    """Answer `POST …/mobile_number/confirm`: check the code that the person entered."""
    asked = requests.confirmation(context.call)
    if isinstance(asked, list):
        return errors.answer(context.call, asked)
    person = await _numbered(context, asked.number)
    if isinstance(person, ApiResponse):
        return person
    account = context.key.account
    if person.challenge is not None:
        checked = await context.submission.run(check, account, person.challenge, asked.token)
        if checked is CheckedCode.VALID and await context.submission.run(
            mark_verified, account, person.id, person.challenge
        ):
            return responses.number(person, 201, verified=True)
    words = f"Invalid or expired TAN for Solaris::MobileNumber with uid: '{responses.number_id(person)}'"
    return errors.answer(context.call, [SolarisFault(errors.INVALID_TAN, words)])


async def _person(context: RequestContext) -> Person | ApiResponse:
    """Return the person of the path, or the error response: unknown, or one that a test key must not change."""
    person_id = context.path["person_id"]
    found = (
        await context.submission.run(find, context.key.account, person_id) if requests.is_keepable(person_id) else None
    )
    if found is None:
        words = f"Couldn't find 'Solaris::Person' for id '{person_id}'."
        return errors.answer(context.call, [SolarisFault(errors.NOT_FOUND, words)])
    if context.key.test and not found.test and context.call.method != "GET":
        return _refuse(context, Code.FORBIDDEN)
    return found


async def _numbered(context: RequestContext, number: str | None) -> Person | ApiResponse:
    """Return the person of the path if this is the person's number (None: any number), or the error response."""
    person = await _person(context)
    if isinstance(person, ApiResponse):
        return person
    if person.phone is None or number not in (None, person.phone):
        return _no_number(context, number or person.id)
    return person


def _no_number(context: RequestContext, word: str) -> ApiResponse:
    return errors.answer(
        context.call, [SolarisFault(errors.NOT_FOUND, f"Couldn't find 'Solaris::MobileNumber' for id '{word}'.")]
    )


def _proven_already(context: RequestContext) -> ApiResponse:
    return errors.answer(context.call, [SolarisFault(errors.CONFLICT, "The mobile number is verified already.")])


_PERSON = "/v1/persons/{person_id}"
_NUMBER = f"{_PERSON}/mobile_number"
_SENDING, _PERSONS = "sending", "persons"

OPERATIONS = (
    ApiOperation("POST", errors.TOKENS, "token", token),
    ApiOperation("POST", "/v1/sms/messages", "messages", send, _SENDING),
    ApiOperation("POST", "/v1/persons", "persons", create_person, _PERSONS),
    ApiOperation("GET", _PERSON, "persons", show_person, _PERSONS),
    ApiOperation("POST", _NUMBER, "numbers", create_number, _PERSONS),
    ApiOperation("GET", _NUMBER, "numbers", show_number, _PERSONS),
    ApiOperation("DELETE", _NUMBER, "numbers", delete_number, _PERSONS),
    ApiOperation("POST", f"{_NUMBER}/authorize", "numbers", authorize_number, _PERSONS),
    ApiOperation("POST", f"{_NUMBER}/confirm", "numbers", confirm_number, _PERSONS),
)
