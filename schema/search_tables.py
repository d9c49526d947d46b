"""SQLAlchemy tables of the search by number and correlation id: its key, its entries, and requests without entries."""

from sqlalchemy import BigInteger, Column, Identity, Index, Integer, LargeBinary, Table, Uuid

from schema.columns import instant, metadata

#: one row, written by the first tick of an installation with a secret key; replaced, it has the next id
search_keys = Table(
    "search_keys",
    metadata,
    Column("id", Integer, Identity(always=True), primary_key=True),
    #: the key of the hashes, encrypted
    Column("sealed", LargeBinary, nullable=False),
    #: messages of before the key existed have entries from this id on; null: all have
    Column("history", Uuid),
    #: messages that were committed before this time have entries
    instant("complete_until"),
)

#: requests whose messages have no entries yet; appended with the request, deleted within seconds
unindexed_requests = Table(
    "unindexed_requests",
    metadata,
    Column("request_id", Uuid, nullable=False),
    Column("first_message", Uuid, nullable=False),
    Column("recipients", Integer, nullable=False),
)


def _entries(name: str) -> Table:
    return Table(
        name,
        metadata,
        #: keyed hash of account and number, or of account and correlation id: 8 bytes
        Column("hash", BigInteger, nullable=False),
        Column("message_id", Uuid, nullable=False),
        Index(f"{name}_hash", "hash", "message_id"),
        postgresql_partition_by="RANGE (message_id)",
    )


#: one row a message, rarely two; partitioned by month, dropped when the month's messages are
message_numbers = _entries("message_numbers")
#: the same, of messages with a correlation id
message_correlations = _entries("message_correlations")
