"""Reassembly of multipart inbound messages (concatenated SMS): joins octets first, decodes second.

References are reused, so parts belong together by sender, recipient, carrier, reference, number of parts,
and time of arrival: a second part with the same number begins another message.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from itertools import groupby
from uuid import UUID

from pipeline.rules.consent import consent_numbers
from pipeline.rules.text import text_codings
from schema.value_class import value_class

#: marks missing parts
MISSING = "[…]"
#: how far behind its arrival a timestamp of the handset or its carrier is trusted
BELIEVED = timedelta(hours=72)
#: parts of one message seldom arrive further apart: an older incomplete message has lost one
APART = timedelta(seconds=60)


@value_class
class KeptPart:
    """One inbound message, or part of one, not processed yet."""

    id: UUID
    carrier: str
    phone: str
    sender: str
    body: str
    part_ref: int | None
    part: int | None
    of: int | None
    octets: bytes | None
    coding: str | None
    #: when it was written, by the carrier's clock
    at: datetime | None
    received_at: datetime
    #: no further parts are waited for
    is_late: bool

    @property
    def said_at(self) -> datetime:
        """When it was sent: by the handset's clock, unless that is ahead of its arrival or far behind."""
        believed = self.at is not None and self.received_at - BELIEVED <= self.at <= self.received_at
        return self.at if believed and self.at else self.received_at


@value_class
class JoinedText:
    """One message with its parts joined."""

    #: in order of arrival
    parts: Sequence[KeptPart]
    phone: str
    sender: str
    body: str
    said_at: datetime
    #: whether its first part is there
    has_start: bool = True


def join(kept: Iterable[KeptPart]) -> list[JoinedText]:
    """Return complete or late messages with their parts joined, by time sent; without those that wait for parts."""
    alone: list[list[KeptPart]] = []
    groups: defaultdict[tuple[object, ...], list[KeptPart]] = defaultdict(list)
    for each in sorted(kept, key=lambda each: (each.received_at, each.id)):
        if each.part_ref is None:
            alone.append([each])
        else:
            groups[each.carrier, each.phone, each.sender, each.part_ref, each.of].append(each)
    messages = [*alone, *(message for parts in groups.values() for message in _apart(parts))]
    texts = [_text(each) for each in messages if _is_due(each)]
    return sorted(texts, key=lambda text: (text.said_at, text.parts[0].id))


def _apart(parts: Sequence[KeptPart]) -> list[list[KeptPart]]:
    """Return the messages that the parts under one reference form, in order of arrival."""
    messages: list[list[KeptPart]] = []
    for part in parts:
        again = next((each for each in messages if any(_is_same(part, other) for other in each)), None)
        open_ = [each for each in messages if all(part.part != other.part for other in each)]
        near = [each for each in open_ if part.received_at - each[-1].received_at <= APART]
        if again is not None:
            again.append(part)
        elif open_:
            (near[0] if near else open_[-1]).append(part)
        else:
            messages.append([part])
    return messages


def _is_same(part: KeptPart, other: KeptPart) -> bool:
    return (part.part, part.octets, part.coding, part.body) == (other.part, other.octets, other.coding, other.body)


def _is_due(message: Sequence[KeptPart]) -> bool:
    return len({each.part for each in message}) >= (message[0].of or 1) or any(each.is_late for each in message)


def _text(message: Sequence[KeptPart]) -> JoinedText:
    first = message[0]
    numbered: dict[int, KeptPart] = {}
    for each in message:
        numbered.setdefault(each.part or 1, each)
    return JoinedText(
        parts=message,
        phone=consent_numbers.canonical(first.phone),
        sender=first.sender,
        body=_body(numbered, first.of or 1),
        said_at=min(each.said_at for each in message),
        has_start=1 in numbered,
    )


def _body(numbered: dict[int, KeptPart], count: int) -> str:
    """Return the text of parts, with one mark for each gap."""
    if count == 1:
        return numbered[1].body if 1 in numbered else next(iter(numbered.values())).body
    places = [numbered.get(number) for number in range(1, count + 1)]
    runs = groupby(places, key=lambda part: (part is None, part.coding if part else None))
    return "".join(_run([part for part in run if part]) for _, run in runs)


def _run(parts: Sequence[KeptPart]) -> str:
    """Return the text of adjacent parts in one coding; of none, the mark."""
    if not parts:
        return MISSING
    octets, coding = [each.octets for each in parts], parts[0].coding
    if coding is None or any(each is None for each in octets):
        return "".join(each.body for each in parts)
    return text_codings.decode(b"".join(each for each in octets if each is not None), coding)
