"""All messages of an account for its API: one by id, filtered pages of them, and requests with their progress.

Pages are searched by number or correlation id in the index of messages, by everything else in requests.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from pipeline.rules.identity import ids
from pipeline.rules.identity.search_hashes import SearchHashes, as_integer
from pipeline.runtime import Connection, Runtime
from pipeline.store import idempotent_replays, message_index, request_progress
from pipeline.store.api import account_messages as store
from pipeline.store.api.account_messages import MessageFilter
from schema.api_views import ShownMessage, ShownRequest
from schema.message import Refusal
from schema.message_class import MessageClass
from schema.vocabulary import Code, Status

__all__ = ["AccountPage", "MessageFilter", "find", "find_request", "list_page"]

#: entries of the index that one page examines
EXAMINED = 1_000

_CURSOR = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class AccountPage:
    """A page of an account's messages, the latest first, and the cursor of the next page."""

    messages: list[ShownMessage]
    #: opaque to the caller; None: this is the last page
    cursor: str | None
    #: of a search by number or correlation id: messages accepted from this time on, and answered before that one, are
    #: in it; None: from the first on, and of other searches
    complete_from: datetime | None = None
    complete_until: datetime | None = None


def find(rt: Runtime, account: int, id_: UUID, tests: Sequence[bool]) -> ShownMessage | None:
    """Return one message with its status; `tests`: live ones, tests, or both. None: the account has none of that id."""
    with rt.read_only() as conn:
        return store.one(conn, account, id_, tests)


def list_page(rt: Runtime, sought: MessageFilter, cursor: str | None, limit: int) -> AccountPage:
    """Return a page of at most `limit` messages that fit; ValueError: invalid cursor.

    It may have fewer messages than `limit`, or none, and still a cursor: then others were examined that do not fit.
    ConfigurationError: the search key cannot be opened.
    """
    if cursor is not None and not _CURSOR.fullmatch(cursor):
        raise ValueError("this cursor is none of ours")
    before = UUID(cursor) if cursor else None
    with rt.read_only() as conn:
        if sought.is_indexed:
            return _search(rt, conn, sought, before, limit)
        found = store.page(conn, sought, before, limit)
    return AccountPage(found.messages, found.before.hex if found.before else None)


def _search(rt: Runtime, conn: Connection, sought: MessageFilter, before: UUID | None, limit: int) -> AccountPage:
    """Return a page of messages by number or correlation id."""
    key = message_index.key(conn)  # before the search: what is complete then is found
    if key is None:
        return AccountPage([], None, rt.now(), None)
    hashes, edge = SearchHashes(rt.vault.open(message_index.PURPOSE, key.sealed)), sought.edge(before)
    if sought.correlation_id is not None:
        [own] = hashes.correlations(sought.account, [sought.correlation_id])
        wanted = message_index.by_correlation(conn, [as_integer(own)], sought.lowest, edge, EXAMINED)
    else:
        [own] = hashes.numbers(sought.account, [sought.phone or ""])
        wanted = message_index.by_number(conn, [as_integer(own)], sought.lowest, edge, EXAMINED)
    found = store.among(conn, sought, wanted, limit + 1)
    last = found[limit - 1].id if len(found) > limit else wanted[-1] if len(wanted) == EXAMINED else None
    return AccountPage(
        found[:limit], last.hex if last else None, message_index.complete_from(key, rt.now()), key.complete_until
    )


def find_request(rt: Runtime, account: int, id_: UUID, tests: Sequence[bool]) -> ShownRequest | None:
    """Return a request with its messages by status; None: the account has none of that id.

    One that only repeats an earlier request under its idempotency key has the messages of the earlier one.
    """
    with rt.read_only() as conn:
        row = store.request(conn, account, id_, tests)
        if row is None:
            return None
        holder = id_
        if row.repeats:
            repeat = (id_, row.first_message, row.recipients)
            holder = idempotent_replays.originals(conn, [repeat]).get(id_, id_)
        span = (holder, row.first_message, ids.after(row.first_message, max(row.recipients, 1) - 1))
        statuses = request_progress.statuses(conn, [span])
    return ShownRequest(
        id=id_,
        message_class=MessageClass(row.message_class),
        test=row.test,
        recipients=row.recipients,
        accepted=sum(count for _, _, count in statuses) if row.repeats else row.accepted,
        refusals=tuple(Refusal(**{**each, "code": Code(each["code"])}) for each in row.refusals),
        statuses={Status(status): count for _, status, count in statuses},
        send_at=row.send_at,
        valid_until=row.valid_until,
        created_at=row.created_at,
        template_id=row.template_id,
        template_version=row.template_version,
    )
