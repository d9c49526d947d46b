"""The send window of an order: validates send_at and valid_until, and defaults the expiry."""

from datetime import datetime, timedelta

from schema.message import Refusal
from schema.message_class import MessageClass
from schema.vocabulary import Code

#: validity of a message without valid_until
VALIDITY = {
    MessageClass.OTP: timedelta(minutes=15),
    MessageClass.TRANSACTIONAL: timedelta(hours=48),
    MessageClass.BULK: timedelta(hours=48),
}

#: clock skew tolerated
TOLERANCE = timedelta(seconds=5)


def judge(
    send_at: datetime | None, valid_until: datetime | None, *, made_at: datetime, now: datetime, lead: timedelta
) -> list[Refusal]:
    """Return the refusals of an order's send_at and valid_until, by its creation time and now; empty: both valid."""
    faults = []
    if send_at and send_at < made_at - TOLERANCE:
        faults.append(
            Refusal(Code.SCHEDULE_PAST, "send_at must be in the future; leave it out to send at once", "send_at")
        )
    if send_at and send_at > made_at + lead:
        faults.append(Refusal(Code.SCHEDULE_FAR, f"send_at can be at most {lead.days} days ahead", "send_at"))
    if valid_until and valid_until <= max(now, send_at or now):
        faults.append(Refusal(Code.VALIDITY_BAD, "valid_until must be after now and after send_at", "valid_until"))
    if valid_until and valid_until > made_at + 2 * lead:
        words = f"valid_until can be at most {2 * lead.days} days ahead"
        faults.append(Refusal(Code.VALIDITY_BAD, words, "valid_until"))
    return faults


def expiry(message_class: MessageClass, due: datetime, valid_until: datetime | None) -> datetime:
    """Return the time after which a message must not reach a carrier."""
    return valid_until or due + VALIDITY[message_class]
