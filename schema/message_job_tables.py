"""SQLAlchemy tables of message jobs and of their messages."""

from sqlalchemy import Column, ForeignKey, Index, Integer, Table, Text, Uuid, text
from sqlalchemy.dialects.postgresql import JSONB

from schema.columns import instant, metadata, one_of
from schema.message_job import MessageJobResult, MessageJobState, MessageOperation

#: actions on all messages that a search found; `sms.maintenance` deletes those that are done, with their items
message_jobs = Table(
    "message_jobs",
    metadata,
    #: has the time of its preview; a form that is posted twice makes one job
    Column("id", Uuid, primary_key=True),
    Column("account_id", ForeignKey("accounts.id"), nullable=False),
    Column("operation", Text, nullable=False),
    Column("state", Text, nullable=False, server_default=text("'running'")),
    Column("search", JSONB, nullable=False),
    Column("left_out", JSONB, nullable=False),
    Column("size", Integer, nullable=False),
    #: items up to this place have a result
    Column("done", Integer, nullable=False, server_default=text("0")),
    instant("created_at", nullable=False),
    instant("finished_at"),
    Column("created_by", Text, nullable=False),
    one_of("operation", MessageOperation),
    one_of("state", MessageJobState),
    Index("message_jobs_running", "operation", "id", postgresql_where=text("state = 'running'")),
    Index(None, "account_id", "id"),
)

#: written once with the job, and once with the result
message_job_items = Table(
    "message_job_items",
    metadata,
    Column("job_id", ForeignKey("message_jobs.id", ondelete="CASCADE"), primary_key=True),
    #: from 1, in order of message ids
    Column("place", Integer, primary_key=True),
    Column("message_id", Uuid, nullable=False),
    Column("result", Text),
    one_of("result", MessageJobResult),
)
