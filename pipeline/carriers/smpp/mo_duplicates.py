"""Detects repeated MO messages: SMSCs give them no id, and repeat those whose deliver_sm_resp they did not get.

Equal text alone is no repetition: STOP, START, STOP are three messages. One that arrives again before it was
acknowledged is. If it was acknowledged, the response may have been lost with its bind, or with the process before
this one: then the store decides, which knows whether the handset sent anything else in between.
"""

import time
from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import Final
from uuid import uuid4

from pipeline.carriers.smpp.session import Session
from pipeline.rules.consent.stop_keyword_detection import Vocabulary
from schema.carriage import Inbound
from schema.vocabulary import InboundAction

#: seconds for which an unacknowledged message is remembered, and for which a response may have been lost
UNANSWERED: Final = 3600.0
LOST: Final = 300.0
#: messages remembered, and sessions whose sequence numbers are known
MOST: Final = 20_000
_SESSIONS: Final = 256
_BUILT_IN: Final = Vocabulary([])


@dataclass(slots=True)
class _Delivery:
    """The last delivery of a message."""

    key: str
    session: Session
    sequence: int
    at: float
    #: when it was acknowledged; None: not yet, as far as we know
    answered_at: float | None = None

    def is_unanswered(self, at: float) -> bool:
        """Tell whether it was not acknowledged at that time."""
        return self.answered_at is None or self.answered_at > at

    def is_last_received(self) -> bool:
        """Tell whether nothing else was received on its bind since its acknowledgement, which was probably lost."""
        return self.answered_at is not None and self.session.received_at <= self.answered_at


class MoDuplicates:
    """The recent deliveries. Used by one thread at a time."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        #: by digest, the oldest first
        self._deliveries: OrderedDict[str, _Delivery] = OrderedDict()
        #: the highest sequence number by session
        self._highest: OrderedDict[Session, int] = OrderedDict()

    def name(self, message: Inbound, session: Session, sequence: int, at: float) -> Inbound:
        """Return a message received at this time with a key that distinguishes it from equal ones."""
        digest, before = message.key, self._deliveries.get(message.key)
        highest = self._highest.get(session, 0)
        self._note(session, max(highest, sequence))
        is_again = before is not None and self._is_again(before, session, sequence, at, highest)
        is_stop = is_again and _BUILT_IN.read(message.body).action is InboundAction.STOP
        if before and is_again and not is_stop:
            key, doubtful = before.key, False
        else:
            key = f"{digest}/{uuid4().hex}"
            doubtful = is_again or self._may_be_again(before, session, sequence, at)
        self._deliveries[digest] = _Delivery(key, session, sequence, at)
        self._deliveries.move_to_end(digest)
        if len(self._deliveries) > MOST:
            self._deliveries.popitem(last=False)
        return replace(message, key=key, is_doubtful=doubtful)

    def answered(self, key: str) -> None:
        """Note that the response for a message with this key was written now."""
        delivery = self._deliveries.get(key.partition("/")[0])
        if delivery and delivery.key == key:
            delivery.answered_at = time.monotonic()

    def _is_again(self, before: _Delivery, session: Session, sequence: int, at: float, highest: int) -> bool:
        """Tell whether it is certainly a repetition."""
        if at - before.at > UNANSWERED:
            return False
        if session is before.session:  # a sequence number that was passed is not reused within a bind
            return sequence == before.sequence < highest
        if not before.session.over.done():
            return False
        return before.is_unanswered(at) or (before.is_last_received() and at - before.at <= LOST)

    def _may_be_again(self, before: _Delivery | None, session: Session, sequence: int, at: float) -> bool:
        """Tell whether it may be a repetition: its response was late, or may have been lost."""
        if before is None:
            return at - self._began < LOST
        if at - before.at > LOST:
            return False
        return sequence == before.sequence or before.is_unanswered(at) or before.session.over.done()

    def _note(self, session: Session, highest: int) -> None:
        self._highest[session] = highest
        self._highest.move_to_end(session)
        while len(self._highest) > _SESSIONS:
            self._highest.popitem(last=False)
