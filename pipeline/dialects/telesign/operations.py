"""TeleSign's operations: send a verification code, get its status and check a guess, record a completion."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial

from pipeline.dialects.contract import ApiOperation, RequestContext, SendRequest
from pipeline.dialects.telesign import errors, key_settings, requests, responses
from pipeline.dialects.telesign.errors import TelesignFault
from pipeline.dialects.telesign.key_settings import TelesignKeySettings
from pipeline.dialects.telesign.requests import VerificationRequest
from pipeline.dialects.telesign.statuses import spell
from pipeline.stages.api import webhook_endpoints
from pipeline.stages.api.choose_sender import SenderPreference, choose_senders
from pipeline.stages.api.take_rate_limits import LimitTake, Refused, of_number
from pipeline.stages.api.verification import CheckedCode, challenge, check, complete, make_code, message_statuses
from schema.api import ApiResponse
from schema.message import Refusal
from schema.message_class import MessageClass
from schema.order import Order, Recipient
from schema.vocabulary import Code

#: how long the status of a transaction is available
_REPORTED_FOR = timedelta(hours=12)
_HOUR = 3600
#: name space of its requests
API = "telesign.verify"
#: the refusals of a message's limits, in the order in which they are taken
_LIMITS = (Code.HARD_CAP, Code.RATE_RECIPIENT)
#: the vendor's code_state for the result of a check
_STATES = {
    CheckedCode.VALID: "VALID",
    CheckedCode.INVALID: "INVALID",
    CheckedCode.EXPIRED: "EXPIRED",
    CheckedCode.MAX_ATTEMPTS_EXCEEDED: "MAX_ATTEMPTS_EXCEEDED",
    CheckedCode.UNKNOWN: responses.UNKNOWN,
}


async def send(context: RequestContext) -> ApiResponse:
    """Answer `POST /v1/verify/sms`: 200 with the transaction, or an error."""
    call, key, own = context.call, context.key, key_settings.read(context.key.settings)
    asked = requests.read_sms(call)
    if isinstance(asked, list):
        return errors.refuse_invalid(call, asked)
    code = asked.code or make_code()
    text = requests.text(asked, code, own.max_text)
    if isinstance(text, TelesignFault):
        return errors.refuse_invalid(call, [text])
    fault = _fault_of_reach(context, own, asked)
    if fault:
        return errors.refuse_invalid(call, [fault])
    wished = tuple(each for each in (asked.sender_id, own.sender) if each)
    return await _send(
        context, SenderPreference(key.account, wished, asked.phone), partial(_sending, context, own, asked, code, text)
    )


def _fault_of_reach(
    context: RequestContext, own: TelesignKeySettings, asked: VerificationRequest
) -> TelesignFault | None:
    """Return why this key must not send to the number, or why the callback URL must not be called; else None."""
    if own.trial_numbers is not None and asked.phone not in own.trial_numbers:
        number = asked.phone.removeprefix("+")
        return TelesignFault(Code.PHONE_UNVERIFIED, f"{number} has not been verified for this trial account.")
    if asked.callback_url and webhook_endpoints.fault(
        asked.callback_url, webhook_endpoints.allowed_addresses(context.submission.rt)
    ):
        return requests.host_refused(asked.callback_url)
    return None


def _sending(
    context: RequestContext,
    own: TelesignKeySettings,
    asked: VerificationRequest,
    code: str,
    text: str,
    sender: str | None,
) -> SendRequest | ApiResponse:
    if sender is None:
        return _refuse(context, Code.SENDER_INVALID)
    call, key, rt = context.call, context.key, context.submission.rt
    ends = call.at + timedelta(seconds=own.validity)
    order = Order(
        account=key.owner,
        sender=sender,
        # the whole text is one merge field, so that merge fields in it are not filled in
        body="${text}",
        merge={"text": text},
        recipients=[Recipient(to=asked.phone)],
        # to the second, so that messages that expire together share a batch
        valid_until=ends.replace(microsecond=0),
        door=API,
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
    return SendRequest(call.id, order, _takes(context, own, asked.phone), opened)


def _takes(context: RequestContext, own: TelesignKeySettings, phone: str) -> tuple[LimitTake, ...]:
    rt, key = context.submission.rt, context.key
    cap = of_number(rt, key.account, f"telesign:{key.id}:cap", phone, rate=own.hard_cap / _HOUR, burst=own.hard_cap)
    if not own.pause:
        return (cap,)
    return cap, of_number(rt, key.account, f"telesign:{key.id}:pause", phone, rate=1 / own.pause, burst=1)


async def _send(
    context: RequestContext, preference: SenderPreference, make: Callable[[str | None], SendRequest | ApiResponse]
) -> ApiResponse:
    found = await context.submission.send_found(choose_senders, preference, make)
    if isinstance(found, ApiResponse):
        return found
    _, answered = found
    if isinstance(answered, Refused):
        return _refuse(context, _LIMITS[answered.place])
    if answered.refusals:
        return errors.refuse(context.call, answered.refusals)
    [message] = answered.messages
    if message is None or message.refusal:
        return _refuse(context, message.refusal if message and message.refusal else Code.INTERNAL)
    return responses.verification_status(answered.request, 290, context.call.at)


async def status(context: RequestContext) -> ApiResponse:
    """Answer `GET /v1/verify/{reference_id}`: the message's status, and whether the entered code is right."""
    call, key = context.call, context.key
    reference, entered = requests.read_reference(context.path["reference_id"]), requests.read_guess(call)
    if isinstance(reference, TelesignFault) or isinstance(entered, TelesignFault):
        return errors.refuse_invalid(call, [each for each in (reference, entered) if isinstance(each, TelesignFault)])
    sent = await context.submission.run_batched(message_statuses, (key.account, key.dialect, reference, key.test))
    if sent is None:
        return _refuse(context, Code.NOT_FOUND)
    if call.at - sent.created_at > _REPORTED_FOR:
        return _refuse(context, Code.EXPIRED)
    state = responses.UNKNOWN
    if entered is not None:
        state = _STATES[await context.submission.run(check, key.account, reference, entered)]
    code = spell(sent.status, sent.error_code)
    return responses.verification_status(reference, code, sent.at, state=state, entered=entered or "")


async def completion(context: RequestContext) -> ApiResponse:
    """Answer `PUT /v1/verify/completion/{reference_id}`: record that the user completed the verification."""
    reference = requests.read_reference(context.path["reference_id"])
    if isinstance(reference, TelesignFault):
        return errors.respond(context.call, [errors.UNCOMPLETABLE])
    if not await context.submission.run(complete, context.key.account, reference, test=context.key.test):
        return _refuse(context, Code.NOT_FOUND)
    return responses.completed(reference, context.call.at)


def _refuse(context: RequestContext, code: Code) -> ApiResponse:
    return errors.refuse(context.call, [Refusal(code, "")])


OPERATIONS = (
    ApiOperation("POST", "/v1/verify/sms", "verify.sms", send, scope="verify"),
    ApiOperation("GET", "/v1/verify/{reference_id}", "verify.status", status, scope="verify"),
    ApiOperation("PUT", "/v1/verify/completion/{reference_id}", "verify.completion", completion, scope="verify"),
)
