"""The database schema as SQLAlchemy Core tables. Alembic migrations create it; a test holds the two equal.

Two things are left out on purpose. Hot tables carry no foreign keys: each costs a look-up for every row of a
COPY, and `postroad audit` proves what they would. `messages` has no index but its primary key: a batch stores the
first and last id of its messages, and those are contiguous (docs/decisions/0002-ids-in-a-row.md).
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from schema import (
    audit_tables,
    campaign_tables,
    count_tables,
    key_tables,
    message_job_tables,
    money_tables,
    search_tables,
    user_tables,
)
from schema.columns import NOW as _NOW
from schema.columns import instant as _instant
from schema.columns import metadata
from schema.columns import one_of as _one_of
from schema.message_class import MessageClass
from schema.vocabulary import (
    AccountState,
    BatchStatus,
    CampaignEventType,
    CarrierState,
    ChallengeState,
    DeadLetterSource,
    DeliveryState,
    Encoding,
    EndpointState,
    HoldReason,
    InboundAction,
    InboundEventType,
    Money,
    NumberMove,
    Outcome,
    QuietAction,
    ReceiptState,
    ReceiptVerdict,
    ResendReason,
    SenderState,
    Status,
    Syntax,
)

__all__ = [
    "audit_tables",
    "campaign_tables",
    "count_tables",
    "key_tables",
    "message_job_tables",
    "metadata",
    "money_tables",
    "search_tables",
    "user_tables",
]

# Accounts -----------------------------------------------------------------------------------------------------

accounts = Table(
    "accounts",
    metadata,
    Column("id", Integer, Identity(always=True), primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("state", Text, nullable=False, server_default=AccountState.ACTIVE),
    #: ISO 4217; the account's wallet and prices are in it
    Column("currency", Text, nullable=False),
    #: whether status changes of its messages are written to `events`
    Column("subscribes", Boolean, nullable=False, server_default=text("false")),
    #: whether its orders from the broker must be sealed with a producer key
    Column("sealed_orders", Boolean, nullable=False, server_default=text("false")),
    #: ISO countries it may send to; empty: all that have a route and a price
    Column("countries", ARRAY(Text), nullable=False, server_default=text("'{}'")),
    #: campaigns that cost more minor units are approved by another actor than their creator; null: none need to be
    Column("four_eyes_above", BigInteger),
    #: operators are alerted while balance and credit together are below so many minor units; null: never
    Column("alert_below", BigInteger),
    _instant("created_at", nullable=False, server_default=_NOW),
    _one_of("state", AccountState),
)

sender_ids = Table(
    "sender_ids",
    metadata,
    Column("account_id", ForeignKey("accounts.id"), primary_key=True),
    Column("sender", Text, primary_key=True),
    Column("id", Uuid, nullable=False, unique=True, server_default=func.gen_random_uuid()),
    Column("state", Text, nullable=False, server_default=SenderState.APPROVED),
    #: ISO countries it is registered for; empty: all
    Column("countries", ARRAY(Text), nullable=False, server_default=text("'{}'")),
    #: the owner's registration data
    Column("registration", JSONB, nullable=False, server_default=text("'{}'")),
    #: why it was rejected
    Column("reason", Text),
    _instant("created_at", nullable=False, server_default=_NOW),
    _one_of("state", SenderState),
)

templates = Table(
    "templates",
    metadata,
    Column("id", Uuid, primary_key=True, server_default=func.gen_random_uuid()),
    Column("account_id", ForeignKey("accounts.id"), nullable=False),
    Column("slug", Text, nullable=False),
    #: display name; null: its slug
    Column("name", Text),
    Column("body", Text, nullable=False),
    Column("syntax", Text, nullable=False, server_default=Syntax.MERGE),
    #: of its present text: 1, 2, …
    Column("version", Integer, nullable=False, server_default=text("1")),
    _instant("created_at", nullable=False, server_default=_NOW),
    UniqueConstraint("account_id", "slug"),
    _one_of("syntax", Syntax),
)

#: each text that a template has had, the present one too; never changed, and deleted with the template
template_versions = Table(
    "template_versions",
    metadata,
    Column("template_id", ForeignKey("templates.id", ondelete="CASCADE"), primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("body", Text, nullable=False),
    Column("syntax", Text, nullable=False),
    _instant("made_at", nullable=False, server_default=_NOW),
    #: actor: kind and name; null: of before versions were kept
    Column("made_by", Text),
    _one_of("syntax", Syntax),
)

# Requests -----------------------------------------------------------------------------------------------------

requests = Table(
    "requests",
    metadata,
    #: chosen by the producer, or the ingest task's id: the same id twice is one request
    Column("id", Uuid, primary_key=True),
    #: null: refused before its account was known
    Column("account_id", Integer),
    #: the API it came through; null: an Order from Celery or the CLI
    Column("dialect", Text),
    #: its operation, where the API has several; of an order that came through none, its producer's `door`
    Column("operation", Text),
    Column("class", Text),
    Column("test", Boolean, nullable=False, server_default=text("false")),
    #: recipient number n has the id first_message + n
    Column("first_message", Uuid),
    Column("recipients", Integer, nullable=False),
    Column("accepted", Integer, nullable=False),
    #: [{code, message, field, index}]; no number, no text
    Column("refusals", JSONB, nullable=False),
    #: the account declares that its own opt-outs do not apply
    Column("skips_opt_outs", Boolean, nullable=False, server_default=text("false")),
    #: the template that its text is of, and that text's version; null: it had a text of its own
    Column("template_id", Uuid),
    Column("template_version", Integer),
    #: SHA-256 of the order's content
    Column("fingerprint", LargeBinary),
    _instant("send_at"),
    _instant("valid_until"),
    _instant("created_at", nullable=False, server_default=_NOW),
    # for listings of messages and requests, the latest first
    Index("requests_latest", "account_id", "first_message", postgresql_where=text("dialect IS NOT NULL")),
    Index(
        "requests_latest_orders",
        "account_id",
        "first_message",
        postgresql_where=text("dialect IS NULL AND accepted > 0"),
    ),
)

idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("account_id", Integer, primary_key=True),
    #: the API that the key came through; each has its own name space
    Column("scope", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("request_id", Uuid, nullable=False),
    _instant("created_at", nullable=False, server_default=_NOW),
    Index(None, "created_at"),
)

redeliveries = Table(
    "redeliveries",
    metadata,
    #: an order whose worker died, and how often it was redelivered; 0: a message about a campaign that is done
    Column("request_id", Uuid, primary_key=True),
    Column("tries", SmallInteger, nullable=False),
    _instant("created_at", nullable=False, server_default=_NOW),
)

# Batches, messages, attempts ----------------------------------------------------------------------------------

batches = Table(
    "batches",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("account_id", Integer, nullable=False),
    Column("class", Text, nullable=False),
    Column("carrier", Text, nullable=False),
    Column("test", Boolean, nullable=False),
    Column("status", Text, nullable=False),
    #: requested send time; null: at once
    _instant("send_at"),
    #: when promote may take it: send_at, or the end of a wait
    _instant("due_at", nullable=False),
    _instant("valid_until", nullable=False),
    #: number of messages at its creation
    Column("size", Integer, nullable=False),
    #: its messages have the ids from first to last
    Column("first_id", Uuid, nullable=False),
    Column("last_id", Uuid, nullable=False),
    #: messages up to this id may have reached the carrier; committed before their bytes are sent
    Column("marked", Uuid),
    _instant("marked_at"),
    #: outcomes up to this id are recorded
    Column("recorded", Uuid),
    #: fencing token: grows by one with each claim; a worker with an older one may write nothing
    Column("fence", Integer, nullable=False, server_default=text("0")),
    _instant("lease_until"),
    #: journal of the process that claimed it; null: that keeps none
    Column("holder", Uuid),
    #: claims since the last recorded portion
    Column("claims", SmallInteger, nullable=False, server_default=text("0")),
    #: when a hint was last published, and how many since its last transition
    _instant("hinted_at"),
    Column("hints", SmallInteger, nullable=False, server_default=text("0")),
    #: number of the attempt at its messages, from 1
    Column("attempt", SmallInteger, nullable=False, server_default=text("1")),
    #: how often all routes were tried
    Column("round", SmallInteger, nullable=False, server_default=text("0")),
    #: carriers that refused these messages, or were down, in this round
    Column("tried", ARRAY(Text), nullable=False, server_default=text("'{}'")),
    #: its messages are `sent` already: why they are sent again; null: they are not
    Column("resend_reason", Text),
    #: why it is held, though nothing failed; null: it is not
    Column("held", Text),
    #: null: its messages are of no campaign
    Column("campaign_id", Uuid),
    #: routing snapshot its carrier was chosen by; null: a test, or older than snapshots
    Column("routing_snapshot_id", Integer),
    #: when to check for missing receipts or redact codes; null: never (again)
    _instant("watch_at"),
    _instant("created_at", nullable=False, server_default=_NOW),
    _instant("queued_at"),
    _instant("done_at"),
    _one_of("status", BatchStatus),
    _one_of("class", MessageClass),
    _one_of("resend_reason", ResendReason),
    _one_of("held", HoldReason),
    CheckConstraint("held IS NULL OR status IN ('scheduled', 'queued', 'waiting')", name="holdable"),
    # held batches are in none of the indexes that are polled every second
    Index("batches_due", "due_at", postgresql_where=text("status IN ('scheduled', 'waiting') AND held IS NULL")),
    Index("batches_hinted", "hinted_at", postgresql_where=text("status IN ('admitted', 'queued') AND held IS NULL")),
    Index("batches_held", "valid_until", postgresql_where=text("held IS NOT NULL")),
    Index("batches_held_account", "account_id", postgresql_where=text("held = 'account'")),
    Index("batches_held_campaign", "campaign_id", postgresql_where=text("held = 'campaign'")),
    Index(
        "batches_of_campaign",
        "campaign_id",
        postgresql_where=text("campaign_id IS NOT NULL AND status <> 'done'"),
    ),
    Index(
        "batches_listed_campaign",
        "campaign_id",
        "first_id",
        postgresql_where=text("campaign_id IS NOT NULL"),
    ),
    Index("batches_held_carrier", "hinted_at", postgresql_where=text("held = 'carrier'")),
    Index("batches_held_due", "due_at", postgresql_where=text("held = 'carrier'")),
    Index("batches_leased", "lease_until", postgresql_where=text("status = 'sending'")),
    Index("batches_watched", "watch_at", postgresql_where=text("watch_at IS NOT NULL")),
    postgresql_with={"fillfactor": "70"},
)

messages = Table(
    "messages",
    metadata,
    #: UUIDv7; the table is partitioned by day on it
    Column("id", Uuid, primary_key=True),
    Column("request_id", Uuid, nullable=False),
    Column("batch_id", Uuid, nullable=False),
    Column("account_id", Integer, nullable=False),
    #: null: its batch's status applies
    Column("status", Text),
    Column("phone", Text, nullable=False),
    Column("country", Text, nullable=False),
    Column("sender", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("correlation_id", Text),
    Column("encoding", Text),
    Column("segments", SmallInteger),
    #: cost in minor units of the account's currency; 0 when the quota pays
    Column("amount", BigInteger),
    #: segments of the month's quota used instead of money
    Column("quota", SmallInteger),
    #: null: not charged
    Column("money", Text),
    Column("error_code", Text),
    _instant("sent_at"),
    #: when its status became final
    _instant("final_at"),
    _one_of("status", Status),
    _one_of("encoding", Encoding),
    _one_of("money", Money),
    postgresql_partition_by="RANGE (id)",
)

provider_attempts = Table(
    "provider_attempts",
    metadata,
    Column("message_id", Uuid, primary_key=True),
    #: 1, 2, …
    Column("n", SmallInteger, primary_key=True),
    Column("carrier", Text, nullable=False),
    Column("batch_id", Uuid, nullable=False),
    Column("fence", Integer, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("carrier_ref", Text),
    Column("code", Text),
    Column("detail", Text),
    #: when the mark was committed, before its bytes were sent
    _instant("marked_at", nullable=False),
    _instant("recorded_at", nullable=False, server_default=_NOW),
    #: outcome reported by a worker that had lost its lease; informational
    Column("late_outcome", Text),
    _instant("late_at"),
    #: unknown outcome: when to check it (again), null: at once; and how often it was checked
    _instant("check_at"),
    Column("checks", SmallInteger, nullable=False, server_default=text("0")),
    #: unknown outcome: when it was resolved or given up
    _instant("resolved_at"),
    _one_of("outcome", Outcome),
    _one_of("late_outcome", Outcome),
    Index("provider_attempts_carrier_ref", "carrier_ref", "carrier", postgresql_where=text("carrier_ref IS NOT NULL")),
    Index("provider_attempts_unknown", "marked_at", postgresql_where=text("outcome = 'unknown'")),
    Index(
        "provider_attempts_unresolved",
        text("coalesce(check_at, marked_at)"),
        postgresql_where=text("outcome = 'unknown' AND resolved_at IS NULL"),
    ),
    #: rows are inserted in this order within each partition: BRIN costs almost nothing
    Index(
        "provider_attempts_recorded",
        "recorded_at",
        postgresql_using="brin",
        postgresql_with={"pages_per_range": 32, "autosummarize": "on"},
    ),
    postgresql_partition_by="RANGE (message_id)",
)

parts = Table(
    "parts",
    metadata,
    #: each part of a long message has its own message id where the carrier got the parts separately
    Column("carrier", Text, primary_key=True),
    Column("carrier_ref", Text, primary_key=True),
    Column("message_id", Uuid, nullable=False),
    #: attempt number; part number from 1; number of parts
    Column("n", SmallInteger, nullable=False),
    Column("part", SmallInteger, nullable=False),
    Column("of", SmallInteger, nullable=False),
    #: what its receipt says; null: none came
    Column("verdict", Text),
    Column("code", Text),
    _instant("created_at", nullable=False, server_default=_NOW),
    _one_of("verdict", ReceiptVerdict),
    Index(None, "message_id"),
    Index(None, "created_at"),
)

receipts = Table(
    "receipts",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("carrier", Text, nullable=False),
    #: deduplication key: the same when the carrier repeats the receipt
    Column("key", Text, nullable=False),
    Column("carrier_ref", Text),
    Column("ref", Uuid),
    Column("verdict", Text, nullable=False),
    Column("code", Text),
    #: another carrier might still deliver it
    Column("retryable", Boolean, nullable=False, server_default=text("false")),
    _instant("at"),
    Column("raw", Text, nullable=False),
    Column("state", Text, nullable=False, server_default=ReceiptState.WAITING),
    #: when to look for its attempt (again)
    _instant("due_at", nullable=False, server_default=_NOW),
    _instant("received_at", nullable=False, server_default=_NOW),
    _instant("applied_at"),
    UniqueConstraint("carrier", "key"),
    _one_of("verdict", ReceiptVerdict),
    _one_of("state", ReceiptState),
    Index("receipts_due", "due_at", postgresql_where=text("state = 'waiting'")),
    Index(None, "carrier_ref"),
    Index(None, "ref"),
)

events = Table(
    "events",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("account_id", Integer, nullable=False),
    Column("message_id", Uuid, nullable=False),
    Column("status", Text, nullable=False),
    _instant("at", nullable=False),
    _one_of("status", Status),
)

# Inbound messages and consent ---------------------------------------------------------------------------------

inbound_messages = Table(
    "inbound_messages",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("carrier", Text, nullable=False),
    #: deduplication key: the same when the carrier repeats the message
    Column("key", Text, nullable=False),
    #: sender, E.164 where it is a number
    Column("phone", Text, nullable=False),
    #: recipient: one of our numbers or short codes
    Column("sender", Text, nullable=False),
    Column("body", Text, nullable=False),
    #: part of a long message: its reference, part number from 1, number of parts
    Column("part_ref", Integer),
    Column("part", SmallInteger),
    Column("of", SmallInteger),
    #: of a part: its octets and their coding until it is joined, then the row that holds the whole text
    Column("octets", LargeBinary),
    Column("coding", Text),
    Column("joined_to", Uuid),
    #: account whose number it was sent to; null: none, or several
    Column("account_id", Integer),
    #: what was done with it
    Column("action", Text),
    #: reply still to be sent; null: none (any more)
    Column("reply", Text),
    #: the row of a campaign whose message it answers; null: none
    Column("campaign_id", Uuid),
    Column("campaign_line", Integer),
    #: when it was sent, by the carrier's clock
    _instant("at"),
    _instant("received_at", nullable=False, server_default=_NOW),
    #: null: not processed yet
    _instant("handled_at"),
    UniqueConstraint("carrier", "key"),
    _one_of("action", InboundAction),
    Index("inbound_messages_new", "received_at", postgresql_where=text("handled_at IS NULL")),
    Index(
        "inbound_messages_parts",
        "phone",
        "part_ref",
        postgresql_where=text("handled_at IS NULL AND part_ref IS NOT NULL"),
    ),
    Index("inbound_messages_replies", "received_at", postgresql_where=text("reply IS NOT NULL")),
    Index("inbound_messages_latest", "phone", "received_at"),
    Index(
        "inbound_messages_campaign",
        "campaign_id",
        "campaign_line",
        postgresql_where=text("campaign_id IS NOT NULL"),
    ),
    Index(None, "account_id", "received_at"),
)

opt_outs = Table(
    "opt_outs",
    metadata,
    #: 0: every account
    Column("account_id", Integer, primary_key=True),
    Column("phone", Text, primary_key=True),
    #: empty: every sender of the account
    Column("sender", Text, primary_key=True),
    #: empty: every class of message
    Column("class", Text, primary_key=True),
    #: origin: the keyword received, or an operator's name for it
    Column("source", Text, nullable=False),
    #: by the handset's clock where known; an earlier opt-in does not lift it
    _instant("opted_out_at", nullable=False, server_default=_NOW),
    _instant("created_at", nullable=False, server_default=_NOW),
)

keywords = Table(
    "keywords",
    metadata,
    Column("id", Integer, Identity(always=True), primary_key=True),
    #: null: for every account
    Column("account_id", ForeignKey("accounts.id")),
    #: in capitals
    Column("word", Text, nullable=False),
    Column("action", Text, nullable=False),
    #: reply text; null: none
    Column("reply", Text),
    UniqueConstraint("account_id", "word", postgresql_nulls_not_distinct=True),
    _one_of("action", InboundAction),
)

quiet_hours = Table(
    "quiet_hours",
    metadata,
    Column("id", Integer, Identity(always=True), primary_key=True),
    #: null: for every account
    Column("account_id", ForeignKey("accounts.id")),
    #: an ISO country, or *
    Column("country", Text, nullable=False),
    Column("class", Text, nullable=False),
    #: minutes after midnight, recipient's local time; from after until: the window spans midnight
    Column("from_minute", SmallInteger, nullable=False),
    Column("until_minute", SmallInteger, nullable=False),
    Column("action", Text, nullable=False),
    UniqueConstraint("account_id", "country", "class", postgresql_nulls_not_distinct=True),
    CheckConstraint("from_minute BETWEEN 0 AND 1439 AND until_minute BETWEEN 0 AND 1439", name="minutes"),
    _one_of("class", MessageClass),
    _one_of("action", QuietAction),
)

# Input that could not be processed: pruned by age, and each source keeps its latest only (store/dead_letters.py)

dead_letters = Table(
    "dead_letters",
    metadata,
    #: UUIDv7 of its arrival
    Column("id", Uuid, primary_key=True),
    Column("source", Text, nullable=False),
    #: where it came in: name of a queue or of a carrier
    Column("origin", Text, nullable=False),
    Column("reason", Text, nullable=False),
    #: bytes received
    Column("size", Integer, nullable=False),
    #: the first of them, encrypted; null: the installation has no secret key
    Column("sealed", LargeBinary),
    _instant("received_at", nullable=False, server_default=_NOW),
    _one_of("source", DeadLetterSource),
    Index("dead_letters_latest", "source", "id"),
)

#: totals, never pruned: a row for each source, origin and reason
dead_letter_counts = Table(
    "dead_letter_counts",
    metadata,
    Column("source", Text, primary_key=True),
    Column("origin", Text, primary_key=True),
    Column("reason", Text, primary_key=True),
    Column("letters", BigInteger, nullable=False),
    _instant("first_at", nullable=False, server_default=_NOW),
    _instant("last_at", nullable=False, server_default=_NOW),
    _one_of("source", DeadLetterSource),
)

# Customer APIs ------------------------------------------------------------------------------------------------

dialects = Table(
    "dialects",
    metadata,
    #: name of a vendor's API, referred to by its keys and webhook endpoints; `migrate` writes the present ones
    Column("name", Text, primary_key=True),
    #: whether it has events of persons' numbers
    Column("has_persons", Boolean, nullable=False, server_default=text("false")),
    #: whether it has events of inbound messages
    Column("has_inbound", Boolean, nullable=False, server_default=text("false")),
    #: whether it has events of campaigns
    Column("has_campaigns", Boolean, nullable=False, server_default=text("false")),
)

persons = Table(
    "persons",
    metadata,
    Column("account_id", ForeignKey("accounts.id"), primary_key=True),
    #: the account's id for the person, e.g. 32 hex digits and `cper`
    Column("person_id", Text, primary_key=True),
    #: E.164; null: no number
    Column("phone", Text),
    #: the number's own id
    Column("phone_id", Uuid),
    Column("verified", Boolean, nullable=False, server_default=text("false")),
    #: the latest challenge sent to verify the number
    Column("challenge_id", Uuid),
    #: created by a test key, which may change no other
    Column("test", Boolean, nullable=False, server_default=text("false")),
    _instant("created_at", nullable=False, server_default=_NOW),
)

challenges = Table(
    "challenges",
    metadata,
    #: id of the request that sends the code
    Column("id", Uuid, primary_key=True),
    Column("account_id", Integer, nullable=False),
    #: key whose secret signs webhooks about it; null: no webhooks
    Column("key_id", Integer),
    #: HMAC of id and code
    Column("code_hash", LargeBinary, nullable=False),
    Column("state", Text, nullable=False, server_default=ChallengeState.OPEN),
    Column("attempts", SmallInteger, nullable=False, server_default=text("0")),
    Column("max_attempts", SmallInteger, nullable=False),
    _instant("expires_at", nullable=False),
    #: URL for webhooks about it; null: the account's endpoint
    Column("callback_url", Text),
    _instant("completed_at"),
    _instant("created_at", nullable=False, server_default=_NOW),
    _one_of("state", ChallengeState),
    Index(None, "created_at"),
)

webhook_endpoints = Table(
    "webhook_endpoints",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("account_id", ForeignKey("accounts.id"), nullable=False),
    #: format of its webhooks
    Column("dialect", ForeignKey("dialects.name"), nullable=False),
    Column("url", Text, nullable=False),
    Column("description", Text, nullable=False, server_default=""),
    #: the dialect's names of the events it subscribes to; empty: all
    Column("events", ARRAY(Text), nullable=False, server_default=text("'{}'")),
    #: signing secret, encrypted; null: the key's own secret signs
    Column("sealed", LargeBinary),
    #: the secret before the last rotation
    Column("sealed_previous", LargeBinary),
    _instant("rotated_at"),
    Column("state", Text, nullable=False, server_default=EndpointState.ACTIVE),
    #: since when it fails; null: it works
    _instant("failing_since"),
    _instant("created_at", nullable=False, server_default=_NOW),
    Index(None, "account_id"),
    _one_of("state", EndpointState),
)

webhook_deliveries = Table(
    "webhook_deliveries",
    metadata,
    Column("id", Uuid, primary_key=True, server_default=func.gen_random_uuid()),
    #: null: sent to the challenge's own callback URL
    Column("endpoint_id", Uuid),
    Column("challenge_id", Uuid),
    #: deliveries with the same key share a window of open calls: its endpoint, or all callbacks of one API key
    Column("concurrency_key", Uuid, nullable=False),
    Column("event_id", Uuid, nullable=False),
    #: its subject: a message, a person's number, an inbound message, or a campaign
    Column("message_id", Uuid, nullable=False),
    #: the person whose number it is about; null: it is about something else
    Column("person_id", Text),
    #: the message's new status, the change of the number, that an inbound message was received, or the campaign's new
    #: state; and when
    Column("status", Text, nullable=False),
    _instant("at", nullable=False),
    Column("state", Text, nullable=False, server_default=DeliveryState.WAITING),
    #: tries begun; a caller that began an earlier one may write nothing
    Column("tries", SmallInteger, nullable=False, server_default=text("0")),
    #: when to call; during a call: when to retry if its result is never recorded
    _instant("due_at", nullable=False, server_default=_NOW),
    #: result of the last call: an HTTP status, or a code
    Column("answer", Text),
    _instant("done_at"),
    _one_of("state", DeliveryState),
    _one_of("status", Status, NumberMove, InboundEventType, CampaignEventType),
    Index("webhook_deliveries_due", "concurrency_key", "due_at", postgresql_where=text("state = 'waiting'")),
    Index(None, "message_id"),
    Index("webhook_deliveries_done", "done_at", postgresql_where=text("state <> 'waiting'")),
    Index(
        "webhook_deliveries_ended",
        "concurrency_key",
        "state",
        "done_at",
        postgresql_where=text("state <> 'waiting'"),
    ),
)

# Carriers -----------------------------------------------------------------------------------------------------

carriers = Table(
    "carriers",
    metadata,
    Column("name", Text, primary_key=True),
    #: carrier kind: the module of pipeline/carriers that implements it
    Column("kind", Text, nullable=False),
    Column("settings", JSONB, nullable=False, server_default=text("'{}'")),
    Column("state", Text, nullable=False, server_default=CarrierState.ACTIVE),
    #: why it is drained: an operator's note, or a low balance
    Column("reason", Text),
    #: capabilities that deviate from the default: {"alphanumeric": false, "ucs2": false, "dlt": true}
    Column("capabilities", JSONB, nullable=False, server_default=text("'{}'")),
    #: its kind sends the ids for India (DLT) that its settings have, or reaches no operator and needs none
    Column("sends_dlt", Boolean, nullable=False, server_default=text("false")),
    #: rate limit in segments a second, for all workers together; null: none
    Column("segments_per_second", Float),
    #: seconds within which its receipts come, measured; null: not known yet
    Column("receipt_seconds", Float),
    #: its last reported balance, and when
    Column("balance", Text),
    _instant("balance_at"),
    #: when its state, settings or capabilities changed last (kept by a trigger), or it was resumed
    _instant("changed_at", nullable=False, server_default=_NOW),
    _instant("created_at", nullable=False, server_default=_NOW),
    _one_of("state", CarrierState),
)

#: state of each carrier's binds, as the process that keeps them reports
carrier_binds = Table(
    "carrier_binds",
    metadata,
    Column("carrier", Text, primary_key=True),
    Column("host", Text, primary_key=True),
    Column("bound", SmallInteger, nullable=False),
    Column("wanted", SmallInteger, nullable=False),
    #: code of the last failure
    Column("fault", Text),
    #: diagnostics of the SMSC: code -> count
    Column("remarks", JSONB, nullable=False),
    _instant("at", nullable=False, server_default=_NOW),
)

routes = Table(
    "routes",
    metadata,
    Column("id", Integer, Identity(always=True), primary_key=True),
    #: null: for every account
    Column("account_id", ForeignKey("accounts.id")),
    #: leading digits of the number, a network as MCC-MNC (621-20), an ISO country, or *
    Column("destination", Text, nullable=False),
    Column("carrier", ForeignKey("carriers.name"), nullable=False),
    #: lower goes first
    Column("rank", SmallInteger, nullable=False, server_default=text("1")),
    #: share among routes of the same destination and rank; 0: fallback after those that have one, the cheapest first
    Column("weight", SmallInteger, nullable=False, server_default=text("100")),
    #: price the carrier charges per segment, in millionths of `currency`; null: unknown
    Column("cost", BigInteger),
    Column("currency", Text),
    #: in force from this time; the latest of one account, destination and carrier applies
    _instant("from_at", nullable=False, server_default=_NOW),
    #: no longer in force from this time; null: no end
    _instant("until_at"),
    UniqueConstraint("account_id", "destination", "carrier", "from_at", postgresql_nulls_not_distinct=True),
    CheckConstraint("weight >= 0", name="weight"),
    CheckConstraint("cost >= 0", name="cost"),
)

networks = Table(
    "networks",
    metadata,
    #: leading digits of its numbers, without the plus
    Column("prefix", Text, primary_key=True),
    #: MCC-MNC
    Column("network", Text, nullable=False),
)

routing_snapshots = Table(
    "routing_snapshots",
    metadata,
    Column("id", Integer, Identity(always=True), primary_key=True),
    #: SHA-256 of its content: identical snapshots are stored once
    Column("digest", LargeBinary, nullable=False, unique=True),
    #: all inputs to the choice of a carrier but the message: routes in force, healthy carriers
    Column("content", JSONB, nullable=False),
    _instant("created_at", nullable=False, server_default=_NOW),
)
