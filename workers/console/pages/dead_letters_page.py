"""Dead letters: messages of the broker and reports of carriers that could not be read; masked, dropped, requeued."""

from functools import partial
from uuid import UUID

from starlette.responses import Response

from pipeline.errors import NotFound
from pipeline.stages import dead_letters
from schema.vocabulary import DeadLetterSource, Right
from workers.broker.requeue import put_again
from workers.cli.terminal.masking import masked_digits, masked_message
from workers.console.console_routes import ConsoleRequest, ConsoleRoute

#: letters on a page
_PAGE = 50
_SOURCES = {
    DeadLetterSource.BROKER: "Broker",
    DeadLetterSource.RECEIPT: "Carriers, HTTP",
    DeadLetterSource.SMPP: "Carriers, SMPP",
}


def _list(asked: ConsoleRequest) -> Response:
    source = _source(asked)
    before = asked.query.get("before")
    rows = dead_letters.listed(asked.rt, source, _PAGE + 1, _id(before) if before else None)
    counts = [each for each in dead_letters.counts(asked.rt) if each["source"] == source]
    return asked.page(
        "dead_letters.html",
        source=source,
        sources=_SOURCES,
        letters=rows[:_PAGE],
        counts=counts,
        is_more=len(rows) > _PAGE,
        may_operate=asked.may(Right.OPERATE_BROKER),
    )


def _show(asked: ConsoleRequest) -> Response:
    return _letter_page(asked, dead_letters.shown(asked.rt, _source(asked), _letter(asked)), is_revealed=False)


def _reveal(asked: ConsoleRequest) -> Response:
    return _letter_page(asked, dead_letters.reveal(asked.rt, _source(asked), _letter(asked)), is_revealed=True)


def _letter_page(asked: ConsoleRequest, letter: dead_letters.Row | None, *, is_revealed: bool) -> Response:
    if letter is None:
        raise NotFound("there is no such dead letter")
    source = _source(asked)
    return asked.page(
        "dead_letter.html",
        source=source,
        sources=_SOURCES,
        letter=letter,
        content=_content(source, letter["payload"], is_revealed=is_revealed),
        is_revealed=is_revealed,
        may_reveal=asked.may(Right.REVEAL_NUMBERS),
        may_operate=asked.may(Right.OPERATE_BROKER),
    )


def _content(source: DeadLetterSource, payload: bytes | None, *, is_revealed: bool) -> str | None:
    if payload is None:
        return None
    if source is DeadLetterSource.BROKER:
        return masked_message(payload, reveal=is_revealed)
    return (payload if is_revealed else masked_digits(payload)).decode(errors="backslashreplace")


def _source(asked: ConsoleRequest) -> DeadLetterSource:
    word = asked.path.get("source", DeadLetterSource.BROKER)
    if word not in _SOURCES:
        raise NotFound("there is no such page")
    return DeadLetterSource(word)


def _letter(asked: ConsoleRequest) -> UUID:
    return _id(asked.path["id"])


def _id(word: str) -> UUID:
    try:
        return UUID(word)
    except ValueError:
        raise NotFound(f"{word} is no id") from None


def _drop(asked: ConsoleRequest) -> Response:
    source = _source(asked)
    if not dead_letters.drop(asked.rt, source, _letter(asked)):
        raise NotFound("there is no such dead letter")
    return asked.redirect(f"/dead-letters/{source}", notice="It is deleted; it stays counted.")


def _drop_all(asked: ConsoleRequest) -> Response:
    source = _source(asked)
    gone = dead_letters.drop(asked.rt, source, None)
    return asked.redirect(f"/dead-letters/{source}", notice=f"{gone:,} deleted; they stay counted.")


def _requeue(asked: ConsoleRequest) -> Response:
    put = partial(put_again, asked.rt.settings.broker_url.get_secret_value())
    dead_letters.requeue(asked.rt, _letter(asked), put)
    return asked.redirect("/dead-letters/broker", notice="It is in its queue again.")


ROUTES = (
    ConsoleRoute("GET", "/dead-letters", _list, Right.VIEW_OPERATIONS, is_for_operators=True),
    ConsoleRoute("GET", "/dead-letters/{source}", _list, Right.VIEW_OPERATIONS, is_for_operators=True),
    ConsoleRoute("POST", "/dead-letters/{source}/drop", _drop_all, Right.OPERATE_BROKER, is_for_operators=True),
    ConsoleRoute("GET", "/dead-letters/{source}/{id}", _show, Right.VIEW_OPERATIONS, is_for_operators=True),
    ConsoleRoute("POST", "/dead-letters/{source}/{id}/reveal", _reveal, Right.REVEAL_NUMBERS, is_for_operators=True),
    ConsoleRoute("POST", "/dead-letters/{source}/{id}/drop", _drop, Right.OPERATE_BROKER, is_for_operators=True),
    ConsoleRoute("POST", "/dead-letters/broker/{id}/requeue", _requeue, Right.OPERATE_BROKER, is_for_operators=True),
)
