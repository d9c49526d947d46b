"""Index messages by keyed hashes of number and correlation id, in portions; the first call makes the key."""

import os
from collections.abc import Sequence
from datetime import date
from uuid import UUID

from pipeline.rules.identity import ids
from pipeline.rules.identity.search_hashes import KEY_SIZE, SearchHashes
from pipeline.runtime import Connection, Runtime
from pipeline.store import advisory_locks, message_index, partitions
from pipeline.store.message_index import PURPOSE, SearchKey, Unindexed

#: messages indexed in one transaction
PORTION = 10_000


def index_messages(rt: Runtime) -> bool:
    """Index up to a portion of new messages; return whether there are more. Of several concurrent calls, one indexes.

    Without a secret key there is no search, and nothing is kept to be indexed: once there is one, messages of before it
    are indexed by `index_history`. ConfigurationError: the search key cannot be opened; new messages wait.
    """
    with rt.begin() as conn:
        if not advisory_locks.is_mine(conn, "index_messages"):
            return False
        hashes = _hashes(rt, conn)
        spans, is_all = message_index.take(conn, PORTION)
        if hashes is not None:
            _write(conn, hashes, message_index.messages_of(conn, spans))
            if is_all:
                message_index.note_complete(conn)
        return not is_all


def index_history(rt: Runtime) -> None:
    """Index up to a portion of the messages that were there before the key, the latest first.

    Of several concurrent calls, one indexes.
    """
    with rt.begin() as conn:
        is_mine = advisory_locks.is_mine(conn, "index_messages")
        key = message_index.key(conn) if is_mine else None
        if key is None or key.history is None:
            return
        found = message_index.earlier(conn, key.history, PORTION)
        partitions.prepare_months(conn, _months(found))
        _write(conn, _opened(rt, key), found)
        own = [id_ for each in found for id_ in each.ids]
        message_index.note_history(conn, UUID(bytes=min(own)) if len(own) == PORTION else None)


def _hashes(rt: Runtime, conn: Connection) -> SearchHashes | None:
    """Return the hashes by the search key, which is made if there is none; None: there is no secret key."""
    key = message_index.key(conn)
    if key is None and rt.vault_or_none is not None:
        message_index.add_key(conn, rt.vault.seal(PURPOSE, os.urandom(KEY_SIZE)))
        key = message_index.key(conn)
    return _opened(rt, key) if key else None


def _opened(rt: Runtime, key: SearchKey) -> SearchHashes:
    return SearchHashes(rt.vault.open(PURPOSE, key.sealed))


def _months(found: Sequence[Unindexed]) -> set[date]:
    return {ids.month(UUID(bytes=id_)) for each in found for id_ in each.ids}


def _write(conn: Connection, hashes: SearchHashes, found: Sequence[Unindexed]) -> None:
    numbers: list[bytes] = []
    correlations: list[bytes] = []
    for each in found:
        numbers += map(bytes.__add__, hashes.numbers(each.account, each.phones), each.ids)
        own = [(word, id_) for word, id_ in zip(each.correlation_ids, each.ids, strict=True) if word]
        hashed = hashes.correlations(each.account, [word for word, _ in own])
        correlations += map(bytes.__add__, hashed, [id_ for _, id_ in own])
    message_index.write_numbers(conn, numbers)
    message_index.write_correlations(conn, correlations)
