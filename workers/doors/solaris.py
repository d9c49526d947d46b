"""Solaris' door: tokens, informational SMS to persons, and the persons' numbers."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from uuid import UUID

from pipeline.dialects.solaris import access, answers, errors, reading
from pipeline.dialects.solaris.errors import Fault
from pipeline.dialects.solaris.manner import MANNER
from pipeline.dialects.solaris.reading import Message
from pipeline.dialects.solaris.terms import terms
from pipeline.stages.doors.enrol import (
    Found,
    Wanted,
    add_number,
    drop_number,
    enrol,
    expect_code,
    find,
    hold_proven,
    look_up,
)
from pipeline.stages.doors.restrain import Refused, Take, of_number
from pipeline.stages.doors.verify import Checked, challenge, check, make_code
from schema.door import Key, Person, Reply
from schema.message import Refusal
from schema.message_class import MessageClass
from schema.order import Order
from schema.vocabulary import Code
from workers.doors.desk import Sending
from workers.doors.entry import Entry, Operation, Visit

#: the name spaces of the partners' idempotency keys, of those of their tests, and of the codes we send
MESSAGES, TESTS, CODES = "solaris", "solaris.test", "solaris.code"
#: digits of a code
_DIGITS = 6
_HOUR = 3600
#: stands where nothing that goes out can stand: what is answered again needs neither
_NOBODY, _NOTHING = "", "-"
#: stands where a test key would see a live person's number
_HIDDEN = "***"

_UNPAID = {
    Code.INSUFFICIENT_FUNDS: "The partner's funds do not cover the message.",
    Code.NO_PRICE: "No price is set for this destination.",
}


# Messages -----------------------------------------------------------------------------------------------------


async def token(visit: Visit) -> Reply:
    """Answer `POST /oauth2/token`."""
    rt = visit.desk.rt
    return access.grant(visit.call, visit.key, rt.vault, rt.now())


async def send(visit: Visit) -> Reply:
    """Answer `POST /v1/sms/messages`."""
    key, asked = visit.key, reading.message(visit.call)
    if isinstance(asked, list):
        return errors.answer(visit.call, asked)
    wanted = Wanted(key.account, asked.person, TESTS if key.test else MESSAGES, asked.idempotency_key)
    sent = await _send(visit, wanted, partial(_message, visit, asked))
    return sent if isinstance(sent, Reply) else answers.accepted(sent)


def _message(visit: Visit, asked: Message, found: Found) -> Sending | Reply:
    key = visit.key
    if not found.is_replay:
        if found.person is None:
            return _refuse(visit, Code.PERSON_UNKNOWN)
        if not _is_reachable(found.person, key):
            return _refuse(visit, Code.PHONE_UNVERIFIED)
    order = Order(
        account=key.owner,
        sender=terms(key).sender or found.sender or _NOTHING,
        body=asked.text,
        merge=dict(asked.merge),
        recipients=[{"to": (found.person and found.person.phone) or _NOBODY}],
        idempotency_key=asked.idempotency_key,
        door=TESTS if key.test else MESSAGES,
        message_class=MessageClass.TRANSACTIONAL,
        test=key.test,
        submitted_at=visit.desk.rt.now(),
    )
    return Sending(visit.call.id, order, (_limit(visit, order.recipients[0].to),), is_new=not found.is_replay)


async def _send(visit: Visit, wanted: Wanted, make: Callable[[Found], Sending | Reply]) -> UUID | Reply:
    """Send what is made of who is wanted; return the message's id, or the answer that says why not."""
    found = await visit.desk.send_found(look_up, wanted, make)
    if isinstance(found, Reply):
        return found
    sending, answered = found
    if isinstance(answered, Refused):
        return await _too_often(visit, wanted.person, sending.order.recipients[0].to, answered.wait)
    [written] = answered.messages
    if written is None:
        return errors.refuse(visit.call, answered.refusals, 0)
    if written.refusal is not None:
        return _refuse(visit, written.refusal, _UNPAID.get(written.refusal, "The message was refused."))
    return written.id


async def _too_often(visit: Visit, person_id: str, phone: str, wait: float) -> Reply:
    if visit.key.test:
        person = await visit.desk.run(find, visit.key.account, person_id)
        if person is None or not _may_see(visit.key, person):
            phone = _HIDDEN
    return errors.too_often(visit.call, phone, wait)


def _may_see(key: Key, person: Person) -> bool:
    """Tell whether a key may be told a person's number: a test key those of tests only."""
    return person.test or not key.test


def _limit(visit: Visit, phone: str) -> Take:
    key, its = visit.key, terms(visit.key)
    rate = its.recipient_burst / its.recipient_seconds
    name = TESTS if key.test else MESSAGES
    return of_number(visit.desk.rt, key.account, name, phone, rate=rate, burst=its.recipient_burst)


def _cap(visit: Visit, phone: str) -> Take:
    """Return the limit on the codes a number is sent in an hour: who has them sent is not who pays for them."""
    key, cap = visit.key, terms(visit.key).hard_cap
    return of_number(visit.desk.rt, key.account, f"solaris:{key.id}:cap", phone, rate=cap / _HOUR, burst=cap)


def _is_reachable(person: Person, key: Key) -> bool:
    return person.verified and (key.test or person.phone != reading.SANDBOX_NUMBER)


def _refuse(visit: Visit, code: Code, words: str = "") -> Reply:
    return errors.refuse(visit.call, [Refusal(code, words)], 0)


# Persons and their numbers ------------------------------------------------------------------------------------


async def create_person(visit: Visit) -> Reply:
    """Answer `POST /v1/persons`: of all that is told of him only the id is kept."""
    if faults := reading.nothing(visit.call):
        return errors.answer(visit.call, faults)
    person_id = answers.person_id(visit.call.id)
    await visit.desk.run(enrol, visit.key.account, person_id, test=visit.key.test)
    return answers.person(person_id, 201)


async def show_person(visit: Visit) -> Reply:
    """Answer `GET /v1/persons/{person_id}`."""
    person = await _person(visit)
    return person if isinstance(person, Reply) else answers.person(person.id)


async def create_number(visit: Visit) -> Reply:
    """Answer `POST /v1/persons/{person_id}/mobile_number`."""
    number = reading.number(visit.call)
    if isinstance(number, list):
        return errors.answer(visit.call, number)
    person = await _person(visit)
    if isinstance(person, Reply):
        return person
    given = await visit.desk.run(add_number, visit.key.account, person.id, number)
    if given is None:
        words = f"Mobile number already added for person: {person.id}."
        return errors.answer(visit.call, [Fault(errors.TAKEN, words)])
    return answers.number(given, 201)


async def show_number(visit: Visit) -> Reply:
    """Answer `GET /v1/persons/{person_id}/mobile_number`."""
    person = await _numbered(visit, None)
    if isinstance(person, Reply):
        return person
    return answers.number(person, 200) if _may_see(visit.key, person) else _no_number(visit, person.id)


async def delete_number(visit: Visit) -> Reply:
    """Answer `DELETE /v1/persons/{person_id}/mobile_number`: at once, also where the vendor asks the person again."""
    number = reading.optional_number(visit.call)
    if isinstance(number, list):
        return errors.answer(visit.call, number)
    person = await _numbered(visit, number)
    if isinstance(person, Reply):
        return person
    assert person.phone_id is not None
    if not await visit.desk.run(drop_number, visit.key.account, person.id, person.phone_id):
        return _no_number(visit, person.id)
    return answers.number(person, 200)


async def authorize_number(visit: Visit) -> Reply:
    """Answer `POST …/mobile_number/authorize`: send a code to the number; it voids the one before."""
    number = reading.number(visit.call)
    if isinstance(number, list):
        return errors.answer(visit.call, number)
    person = await _numbered(visit, number)
    if isinstance(person, Reply):
        return person
    if person.verified:
        return _proven_already(visit)
    sent = await _send_code(visit, person)
    if isinstance(sent, Reply):
        return sent
    assert person.phone_id is not None
    if not await visit.desk.run(expect_code, visit.key.account, person.id, person.phone_id, visit.call.id):
        return _proven_already(visit)
    return answers.number(person, 201)


async def _send_code(visit: Visit, person: Person) -> UUID | Reply:
    """Send a person a code under the call's id; return the message's id, or the answer that says why not."""
    return await _send(visit, Wanted(visit.key.account, person.id), partial(_code, visit, person))


def _code(visit: Visit, person: Person, found: Found) -> Sending:
    key, rt, its = visit.key, visit.desk.rt, terms(visit.key)
    code = reading.SANDBOX_CODE if key.test and person.phone == reading.SANDBOX_NUMBER else make_code(_DIGITS)
    ends = rt.now() + timedelta(seconds=its.code_seconds)
    opened = challenge(rt, visit.call.id, key.account, code, expires_at=ends, max_attempts=its.code_attempts)
    order = Order(
        account=key.owner,
        sender=its.sender or found.sender or _NOTHING,
        body=answers.code_text(code),
        recipients=[{"to": person.phone}],
        # to the second: what ends together travels together
        valid_until=ends.replace(microsecond=0),
        door=CODES,
        message_class=MessageClass.OTP,
        test=key.test,
        submitted_at=rt.now(),
    )
    takes = [_limit(visit, order.recipients[0].to)]
    if not key.test:  # those of a test reach nobody
        takes.append(_cap(visit, order.recipients[0].to))
    return Sending(visit.call.id, order, tuple(takes), opened, is_new=True)


async def confirm_number(visit: Visit) -> Reply:
    """Answer `POST …/mobile_number/confirm`: judge the code that the person typed."""
    asked = reading.confirmation(visit.call)
    if isinstance(asked, list):
        return errors.answer(visit.call, asked)
    person = await _numbered(visit, asked.number)
    if isinstance(person, Reply):
        return person
    account = visit.key.account
    if person.challenge is not None:
        checked = await visit.desk.run(check, account, person.challenge, asked.token)
        if checked is Checked.VALID and await visit.desk.run(hold_proven, account, person.id, person.challenge):
            return answers.number(person, 201, verified=True)
    words = f"Invalid or expired TAN for Solaris::MobileNumber with uid: '{answers.number_id(person)}'"
    return errors.answer(visit.call, [Fault(errors.INVALID_TAN, words)])


async def _person(visit: Visit) -> Person | Reply:
    """Return the person of the path, or the answer that there is none, or none that a test key may change."""
    person_id = visit.path["person_id"]
    found = await visit.desk.run(find, visit.key.account, person_id) if reading.is_keepable(person_id) else None
    if found is None:
        words = f"Couldn't find 'Solaris::Person' for id '{person_id}'."
        return errors.answer(visit.call, [Fault(errors.NOT_FOUND, words)])
    if visit.key.test and not found.test and visit.call.method != "GET":
        return _refuse(visit, Code.FORBIDDEN)
    return found


async def _numbered(visit: Visit, number: str | None) -> Person | Reply:
    """Return the person with his number, when it is this one (None: whichever), or the answer that there is none."""
    person = await _person(visit)
    if isinstance(person, Reply):
        return person
    if person.phone is None or number not in (None, person.phone):
        return _no_number(visit, number or person.id)
    return person


def _no_number(visit: Visit, word: str) -> Reply:
    return errors.answer(
        visit.call, [Fault(errors.NOT_FOUND, f"Couldn't find 'Solaris::MobileNumber' for id '{word}'.")]
    )


def _proven_already(visit: Visit) -> Reply:
    return errors.answer(visit.call, [Fault(errors.CONFLICT, "The mobile number is verified already.")])


_PERSON = "/v1/persons/{person_id}"
_NUMBER = f"{_PERSON}/mobile_number"
_SENDING, _PERSONS = "sending", "persons"

ENTRY = Entry(
    MANNER,
    [
        Operation("POST", errors.TOKENS, "token", token),
        Operation("POST", "/v1/sms/messages", "messages", send, _SENDING),
        Operation("POST", "/v1/persons", "persons", create_person, _PERSONS),
        Operation("GET", _PERSON, "persons", show_person, _PERSONS),
        Operation("POST", _NUMBER, "numbers", create_number, _PERSONS),
        Operation("GET", _NUMBER, "numbers", show_number, _PERSONS),
        Operation("DELETE", _NUMBER, "numbers", delete_number, _PERSONS),
        Operation("POST", f"{_NUMBER}/authorize", "numbers", authorize_number, _PERSONS),
        Operation("POST", f"{_NUMBER}/confirm", "numbers", confirm_number, _PERSONS),
    ],
)
