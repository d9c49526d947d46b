"""Robase's messages: send one or a thousand, look at them, take one back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from pipeline.dialects.contract import reply
from pipeline.dialects.robase import answers, assets, reading, texts
from pipeline.dialects.robase.errors import refuse
from pipeline.dialects.robase.reading import Ask, Batch, Sms
from pipeline.runtime import Runtime
from pipeline.stages.cancel import cancel
from pipeline.stages.doors.answer import repeat
from pipeline.stages.doors.browse import Seen, View, browse, look, recount
from pipeline.stages.doors.restrain import Refused
from pipeline.stages.doors.texts import Text, find_all
from schema.door import Key, Reply
from schema.message import Answered, Refusal, Written
from schema.vocabulary import Code, Status
from workers.doors.desk import Sending
from workers.doors.entry import Operation, Visit

#: the scope that all but sending asks for
FULL = "full"

_INTERNAL = Refusal(Code.INTERNAL, "")


async def send(visit: Visit) -> Reply:
    """Answer `POST /sms`."""
    now = visit.desk.rt.now()
    header = reading.read_key(visit.call)
    if isinstance(header, Refusal):
        return refuse(visit.call, [header])
    asked = await _read(visit, now)
    if isinstance(asked, Refusal):
        # under a key that was used, whatever comes now, the first answer stands
        return (header and await _earlier(visit, header)) or refuse(visit.call, [asked])
    sms, text = asked
    order = reading.order(
        visit.key,
        sms.sender,
        [(sms.ask, text)],
        send_at=sms.send_at,
        name="send",
        idempotency_key=header,
        now=now,
    )
    found = await visit.desk.send(Sending(visit.desk.rt.mint(), order))
    if isinstance(found, Refused):
        return refuse(visit.call, [Refusal(Code.RATE_RECIPIENT, "")], found.wait)
    return answers.sent(visit.call, found, visit.key.currency)


async def _read(visit: Visit, now: datetime) -> tuple[Sms, str] | Refusal:
    """Return what is to be sent, with its text."""
    sms = reading.read_sms(visit.call, visit.key, now)
    if isinstance(sms, Refusal):
        return sms
    known: Mapping[str, Text] = {}
    if sms.ask.template is not None:
        known = await visit.desk.run(find_all, visit.key.account, [texts.word(sms.ask.template)])
    text = reading.text_of(sms.ask, known)
    return text if isinstance(text, Refusal) else (sms, text)


async def _earlier(visit: Visit, header: str) -> Reply | None:
    key = visit.key
    found = await visit.desk.run(repeat, key.owner, reading.door("send", key), header)
    return answers.sent(visit.call, found, key.currency) if found else None


# A batch --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Load:
    """An order, and the places its messages have in the batch."""

    sending: Sending
    places: Sequence[int]


async def send_batch(visit: Visit) -> Reply:
    """Answer `POST /sms/batch`: 200, whatever becomes of each row."""
    now = visit.desk.rt.now()
    header = reading.read_key(visit.call)
    if isinstance(header, Refusal):
        return refuse(visit.call, [header])
    asked = reading.read_batch(visit.call, visit.key, now)
    if isinstance(asked, Refusal):
        return refuse(visit.call, [asked])
    rows, loads = await visit.desk.run(_load, visit.key, asked, header, now)
    replayed = [False] * len(rows)
    found = await visit.desk.send_all([load.sending for load in loads])
    for load, answered in zip(loads, found, strict=True):
        for place, index in enumerate(load.places):
            rows[index] = _row(answered, place)
            replayed[index] = isinstance(answered, Answered) and answered.replayed
    return answers.batch(rows, replayed, visit.key.currency)


def _row(answered: Answered | Refused | Exception, place: int) -> Written | Refusal:
    if isinstance(answered, Answered):
        return answers.outcome(answered, place)
    return Refusal(Code.RATE_RECIPIENT, "") if isinstance(answered, Refused) else _INTERNAL


def _load(
    rt: Runtime, key: Key, asked: Batch, header: str | None, now: datetime
) -> tuple[list[Written | Refusal], list[_Load]]:
    """Return what is wrong with each row (or, for the time being, `_INTERNAL`), and the orders of those that are well.

    Rows with keys of their own are orders of their own; all others are one.
    """
    words = {texts.word(row.template) for row in asked.rows if isinstance(row, Ask) and row.template is not None}
    known = find_all(rt, key.account, words) if words else {}
    rows: list[Written | Refusal] = [_INTERNAL] * len(asked.rows)
    together: list[tuple[int, Ask, str]] = []
    loads: list[_Load] = []
    for index, ask in enumerate(asked.rows):
        text = ask if isinstance(ask, Refusal) else reading.text_of(ask, known)
        if isinstance(ask, Refusal) or isinstance(text, Refusal):
            rows[index] = text if isinstance(text, Refusal) else _INTERNAL
        elif ask.key:
            loads.append(_order(rt, key, asked, [(index, ask, text)], "batch.row", ask.key, now))
        elif header:
            word = reading.key_of_row(header, index)
            loads.append(_order(rt, key, asked, [(index, ask, text)], "batch", word, now))
        else:
            together.append((index, ask, text))
    if together:
        loads.append(_order(rt, key, asked, together, "batch", None, now))
    return rows, loads


def _order(
    rt: Runtime,
    key: Key,
    asked: Batch,
    members: Sequence[tuple[int, Ask, str]],
    name: str,
    word: str | None,
    now: datetime,
) -> _Load:
    order = reading.order(
        key,
        asked.sender,
        [(ask, text) for _, ask, text in members],
        send_at=asked.send_at,
        name=name,
        idempotency_key=word,
        now=now,
    )
    return _Load(Sending(rt.mint(), order), [index for index, _, _ in members])


# What was sent --------------------------------------------------------------------------------------------------


async def get(visit: Visit) -> Reply:
    """Answer `GET /sms/{id}`."""
    id_ = read_id(visit.path["id"])
    found = await visit.desk.run(recount, _view(visit.key), id_) if id_ else None
    return answers.story(*found, visit.key.currency) if found else _no_message(visit)


async def list_page(visit: Visit) -> Reply:
    """Answer `GET /sms`."""
    asked = assets.read_page(visit.call)
    if isinstance(asked, Refusal):
        return refuse(visit.call, [asked])
    limit, cursor = asked
    try:
        found = await visit.desk.run(browse, _view(visit.key), cursor, limit)
    except ValueError as error:
        return refuse(visit.call, [Refusal(Code.INVALID_FIELD, str(error), "cursor")])
    return answers.page(found.messages, found.cursor, visit.key.currency)


async def take_back(visit: Visit) -> Reply:
    """Answer `POST /sms/{id}/cancel`."""
    found = await _look(visit)
    if found is None:
        return _no_message(visit)
    done = await visit.desk.run(cancel, visit.key.account, [found.id])
    now = await _look(visit) or found
    if found.id in done.cancelled:
        return reply(200, answers.message(now, visit.key.currency))
    stands = Status.QUEUED if now.status is Status.SCHEDULED else now.status
    return refuse(visit.call, [Refusal(Code.CONFLICT, f"message is already {stands} and can no longer be cancelled")])


async def _look(visit: Visit) -> Seen | None:
    id_ = read_id(visit.path["id"])
    return await visit.desk.run(look, _view(visit.key), id_) if id_ else None


def read_id(word: str) -> UUID | None:
    """Return the id that a path names, or None when it is none."""
    try:
        return UUID(word)
    except ValueError:
        return None


def _view(key: Key) -> View:
    return View(key.account, reading.doors(key), key.test)


def _no_message(visit: Visit) -> Reply:
    return refuse(visit.call, [Refusal(Code.NOT_FOUND, "message not found")])


OPERATIONS = (
    Operation("POST", "/v1/sms", "send", send),
    Operation("POST", "/v1/sms/batch", "batch", send_batch, bulky=True),
    Operation("GET", "/v1/sms", "list", list_page, FULL),
    Operation("GET", "/v1/sms/{id}", "get", get, FULL),
    Operation("POST", "/v1/sms/{id}/cancel", "cancel", take_back, FULL),
)
