"""Inbound (MO) messages, as users of the console read them: pages with masked numbers, and one revealed."""

from dataclasses import dataclass, replace
from uuid import UUID

from pipeline.errors import InvalidInput, NotFound
from pipeline.rules.api.list_cursors import read_cursor, write_cursor
from pipeline.rules.numbers.number_masking import masked_number
from pipeline.runtime import Runtime
from pipeline.store import audit_log
from pipeline.store import inbound_pages as store
from pipeline.store.inbound_pages import InboundRow

__all__ = ["InboundList", "InboundRow", "inbound_page", "reveal_inbound", "show_inbound"]


@dataclass(frozen=True, slots=True)
class InboundList:
    """Inbound messages, the latest first, and the cursor of the next page."""

    messages: list[InboundRow]
    #: "": this is the last page
    cursor: str


def inbound_page(rt: Runtime, account: int | None, cursor: str, limit: int) -> InboundList:
    """Return a page of an account's (None: all) messages, with masked numbers and texts. InvalidInput: bad cursor."""
    try:
        before = read_cursor(cursor) if cursor else None
    except ValueError as error:
        raise InvalidInput(str(error)) from None
    with rt.read_only() as conn:
        found = store.page(conn, account, before, limit + 1)
    shown = found[:limit]
    following = write_cursor(shown[-1].place) if len(found) > limit else ""
    return InboundList([_masked(each) for each in shown], following)


def show_inbound(rt: Runtime, account: int | None, message: UUID) -> InboundRow:
    """Return a message of an account (None: of any), with masked number and text; NotFound."""
    with rt.read_only() as conn:
        return _masked(_known(store.one(conn, account, message)))


def reveal_inbound(rt: Runtime, account: int | None, message: UUID) -> InboundRow:
    """Return a message of an account (None: of any), and enter in the audit log that it was looked at; NotFound."""
    with rt.begin() as conn:
        found = _known(store.one(conn, account, message))
        shown = {"phone": masked_number(found.phone)}
        audit_log.note(conn, "inbound_messages", str(message), "reveal", shown, found.account)
    return found


def _known(found: InboundRow | None) -> InboundRow:
    if found is None:
        raise NotFound("there is no such inbound message")
    return found


def _masked(row: InboundRow) -> InboundRow:
    return replace(row, phone=masked_number(row.phone), body="*" * len(row.body))
