"""SQLAlchemy tables of the audit log, which triggers write (migration 0017), and of the last audit's findings."""

from sqlalchemy import BigInteger, Column, Identity, Index, Integer, Table, Text, func, text
from sqlalchemy.dialects.postgresql import JSONB

from schema.columns import instant, metadata, one_of
from schema.vocabulary import ActorKind

#: append-only: a trigger refuses UPDATE and TRUNCATE, and DELETE except for retention
audit_log = Table(
    "audit_log",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    instant("at", nullable=False, server_default=func.clock_timestamp()),
    Column("actor_kind", Text, nullable=False),
    #: name of a user, or id of an API key
    Column("actor", Text, nullable=False),
    #: on whose behalf, as the actor claims: proves nothing
    Column("claimed", Text),
    #: where the change was made: a host, or a client's address
    Column("origin", Text, nullable=False),
    #: a command (`carrier drain`), an operation of an API (`DELETE /v1/webhooks/{id}`), else insert, update or delete
    Column("action", Text, nullable=False),
    Column("subject_table", Text, nullable=False),
    #: the changed row's name in its table; several parts are separated by blanks, `*` stands for a missing one
    Column("subject", Text, nullable=False),
    #: whose row it is; null: the installation's
    Column("account_id", Integer),
    #: changed columns with their values, all of a new or deleted row; secrets as `…`
    Column("before", JSONB),
    Column("after", JSONB),
    one_of("actor_kind", ActorKind),
    Index(None, "at"),
    Index(None, "account_id", "at"),
    Index(None, "subject_table", "at"),
    Index(None, "actor", "at"),
    Index("audit_log_claimed", "claimed", "at", postgresql_where=text("claimed IS NOT NULL")),
)

#: what `postroad audit` found last; each run replaces all rows
audit_findings = Table(
    "audit_findings",
    metadata,
    #: name of an invariant
    Column("invariant", Text, primary_key=True),
    #: how many rows violated it
    Column("broken", BigInteger, nullable=False),
    instant("checked_at", nullable=False),
)
