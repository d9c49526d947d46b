"""TeleSign's door: send a verification code, tell how it went, judge what somebody entered."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial

from pipeline.dialects.telesign import answers, errors, profile, reading
from pipeline.dialects.telesign.errors import Fault
from pipeline.dialects.telesign.profile import Profile
from pipeline.dialects.telesign.reading import Ask
from pipeline.dialects.telesign.signing import MANNER
from pipeline.dialects.telesign.statuses import spell
from pipeline.stages.doors import subscribe
from pipeline.stages.doors.restrain import Refused, Take, of_number
from pipeline.stages.doors.senders import Wish, choose_senders
from pipeline.stages.doors.verify import DOOR, Checked, challenge, check, complete, follow, make_code
from schema.door import Reply
from schema.message import Refusal
from schema.message_class import MessageClass
from schema.order import Order, Recipient
from schema.vocabulary import Code
from workers.doors.desk import Sending
from workers.doors.entry import Entry, Operation, Visit

#: how long the status of a transaction can be asked for
_TOLD_FOR = timedelta(hours=12)
_HOUR = 3600
#: what a message's limits refuse with, in the order they are taken
_LIMITS = (Code.HARD_CAP, Code.RATE_RECIPIENT)
#: what they call what a guess came to
_STATES = {
    Checked.VALID: "VALID",
    Checked.INVALID: "INVALID",
    Checked.EXPIRED: "EXPIRED",
    Checked.MAX_ATTEMPTS_EXCEEDED: "MAX_ATTEMPTS_EXCEEDED",
    Checked.UNKNOWN: answers.UNKNOWN,
}


async def send(visit: Visit) -> Reply:
    """Answer `POST /v1/verify/sms`."""
    call, key, own = visit.call, visit.key, profile.read(visit.key.settings)
    asked = reading.read_sms(call)
    if isinstance(asked, list):
        return errors.complain(call, asked)
    code = asked.code or make_code()
    text = reading.text(asked, code, own.max_text)
    if isinstance(text, Fault):
        return errors.complain(call, [text])
    fault = _fault_of_reach(visit, own, asked)
    if fault:
        return errors.complain(call, [fault])
    wished = tuple(each for each in (asked.sender_id, own.sender) if each)
    return await _send(visit, Wish(key.account, wished, asked.phone), partial(_sending, visit, own, asked, code, text))


def _fault_of_reach(visit: Visit, own: Profile, asked: Ask) -> Fault | None:
    """Return why this key may not send there, or may not be called back there."""
    if own.trial_numbers is not None and asked.phone not in own.trial_numbers:
        number = asked.phone.removeprefix("+")
        return Fault(Code.PHONE_UNVERIFIED, f"{number} has not been verified for this trial account.")
    if asked.callback_url and subscribe.fault(asked.callback_url, subscribe.reach(visit.desk.rt)):
        return reading.host_refused(asked.callback_url)
    return None


def _sending(visit: Visit, own: Profile, asked: Ask, code: str, text: str, sender: str | None) -> Sending | Reply:
    if sender is None:
        return _refuse(visit, Code.SENDER_INVALID)
    call, key, rt = visit.call, visit.key, visit.desk.rt
    ends = call.at + timedelta(seconds=own.validity)
    order = Order(
        account=key.owner,
        sender=sender,
        # the text is nobody's template any more: nothing in it is filled in again
        body="${text}",
        merge={"text": text},
        recipients=[Recipient(to=asked.phone)],
        # to the second: what ends together travels together
        valid_until=ends.replace(microsecond=0),
        door=DOOR,
        message_class=MessageClass.OTP,
        test=key.test,
        submitted_at=call.at,
    )
    opened = challenge(
        rt,
        call.id,
        key.account,
        code,
        expires_at=ends,
        max_attempts=own.max_attempts,
        key_id=key.id,
        callback_url=asked.callback_url,
    )
    return Sending(call.id, order, _takes(visit, own, asked.phone), opened)


def _takes(visit: Visit, own: Profile, phone: str) -> tuple[Take, ...]:
    rt, key = visit.desk.rt, visit.key
    cap = of_number(rt, key.account, f"telesign:{key.id}:cap", phone, rate=own.hard_cap / _HOUR, burst=own.hard_cap)
    if not own.pause:
        return (cap,)
    return cap, of_number(rt, key.account, f"telesign:{key.id}:pause", phone, rate=1 / own.pause, burst=1)


async def _send(visit: Visit, wish: Wish, make: Callable[[str | None], Sending | Reply]) -> Reply:
    found = await visit.desk.send_found(choose_senders, wish, make)
    if isinstance(found, Reply):
        return found
    _, answered = found
    if isinstance(answered, Refused):
        return _refuse(visit, _LIMITS[answered.place])
    if answered.refusals:
        return errors.refuse(visit.call, answered.refusals)
    [message] = answered.messages
    if message is None or message.refusal:
        return _refuse(visit, message.refusal if message and message.refusal else Code.INTERNAL)
    return answers.standing(answered.request, 290, visit.call.at)


async def status(visit: Visit) -> Reply:
    """Answer `GET /v1/verify/{reference_id}`: how the message stands, and whether what was entered is the code."""
    call, key = visit.call, visit.key
    reference, entered = reading.read_reference(visit.path["reference_id"]), reading.read_guess(call)
    if isinstance(reference, Fault) or isinstance(entered, Fault):
        return errors.complain(call, [each for each in (reference, entered) if isinstance(each, Fault)])
    sent = await visit.desk.ask(follow, (key.account, reference, key.test))
    if sent is None:
        return _refuse(visit, Code.NOT_FOUND)
    if call.at - sent.created_at > _TOLD_FOR:
        return _refuse(visit, Code.EXPIRED)
    state = answers.UNKNOWN
    if entered is not None:
        state = _STATES[await visit.desk.run(check, key.account, reference, entered)]
    code = spell(sent.status, sent.error_code)
    return answers.standing(reference, code, sent.at, state=state, entered=entered or "")


async def completion(visit: Visit) -> Reply:
    """Answer `PUT /v1/verify/completion/{reference_id}`."""
    reference = reading.read_reference(visit.path["reference_id"])
    if isinstance(reference, Fault):
        return errors.say(visit.call, [errors.UNCOMPLETABLE])
    if not await visit.desk.run(complete, visit.key.account, reference, test=visit.key.test):
        return _refuse(visit, Code.NOT_FOUND)
    return answers.completed(reference, visit.call.at)


def _refuse(visit: Visit, code: Code) -> Reply:
    return errors.refuse(visit.call, [Refusal(code, "")])


ENTRY = Entry(
    MANNER,
    [
        Operation("POST", "/v1/verify/sms", "verify.sms", send, scope="verify"),
        Operation("GET", "/v1/verify/{reference_id}", "verify.status", status, scope="verify"),
        Operation("PUT", "/v1/verify/completion/{reference_id}", "verify.completion", completion, scope="verify"),
    ],
)
