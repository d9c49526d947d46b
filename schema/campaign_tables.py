"""SQLAlchemy tables of campaigns: their definition and state, their progress, their rows."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from schema.columns import NOW, instant, metadata, one_of
from schema.message_class import MessageClass
from schema.vocabulary import CampaignState, DuplicatePolicy, PauseCause

#: definition and state; changes are in the audit log. What changes with each portion is in `campaign_progress`
campaigns = Table(
    "campaigns",
    metadata,
    #: UUIDv7; its rows are in the partition of its day
    Column("id", Uuid, primary_key=True),
    Column("account_id", ForeignKey("accounts.id"), nullable=False),
    Column("name", Text, nullable=False),
    Column("state", Text, nullable=False, server_default=CampaignState.DRAFT),
    #: why it is paused, failed, stale or aborted: a code such as insufficient_funds, or an operator's note
    Column("reason", Text),
    Column("sender", Text, nullable=False),
    Column("class", Text, nullable=False),
    Column("test", Boolean, nullable=False, server_default=text("false")),
    #: the text with its merge fields; of a template its text when the campaign was created
    Column("body", Text, nullable=False),
    #: slug of its template; null: it has a text of its own
    Column("template", Text),
    #: the version of the template that its text is
    Column("template_version", Integer),
    #: merge fields of all rows
    Column("merge", JSONB, nullable=False, server_default=text("'{}'")),
    #: ISO 3166-1 alpha-2 of numbers without a plus
    Column("country", Text),
    #: not before this time; null: once it is started
    instant("send_at"),
    #: not after this time
    instant("valid_until"),
    #: what is done with repeated numbers
    Column("duplicates", Text, nullable=False, server_default=DuplicatePolicy.DROP),
    #: recipients per hour, and segments per second; null: unlimited
    Column("per_hour", Integer),
    Column("segments_per_second", Float),
    #: left out are those whom the account sent a message to within these hours before it; null: nobody for that reason
    Column("not_within_hours", Integer),
    #: minutes after midnight between which it is sent, by its recipients' clocks; null: at any time
    Column("hours_from", SmallInteger),
    Column("hours_until", SmallInteger),
    #: hours over which its recipients are spread, unless `per_hour` is set; null: as fast as possible
    Column("spread_hours", Float),
    #: recipients that are sent first, then the campaign waits `canary_soak` seconds and its gates are checked
    Column("canary", Integer),
    Column("canary_soak", Integer),
    #: limits that pause it: {"min_sample", "failed", "undelivered", "opted_out": shares, "cost": minor units}
    Column("gates", JSONB, nullable=False, server_default=text("'{}'")),
    #: its whole quote is held when it begins, not batch by batch
    Column("reserve", Boolean, nullable=False, server_default=text("false")),
    #: the quote: the content of a `Quote`; null: not checked yet
    Column("quote", JSONB),
    instant("quoted_at"),
    #: until when it may be approved and started
    instant("quote_until"),
    #: SHA-256 of text, rows, schedule, limits and prices that the quote was made of
    Column("quote_hash", LargeBinary),
    #: the approved cost in minor units: no more is charged
    Column("max_cost", BigInteger),
    #: actors: kind and name
    Column("created_by", Text, nullable=False),
    Column("approved_by", Text),
    instant("created_at", nullable=False, server_default=NOW),
    instant("approved_at"),
    instant("started_at"),
    instant("ended_at"),
    #: recurrence rule (RFC 5545), and the IANA name of the zone whose clock it goes by; null: it is sent once
    Column("repeat", Text),
    Column("time_zone", Text),
    #: the first campaign of its series, and its own day in that zone
    Column("series_id", ForeignKey("campaigns.id")),
    Column("occurs_on", Date),
    #: of the first of a series: the time of the next campaign; why there is none, though the rule has one
    instant("repeat_next_at"),
    Column("repeat_ended", Text),
    #: the clock is making it: its recipients are copied from this campaign, checked, approved
    Column("copies_from", ForeignKey("campaigns.id")),
    #: the campaign of its series whose approval covered it
    Column("approved_with", ForeignKey("campaigns.id")),
    UniqueConstraint("account_id", "name"),
    UniqueConstraint("series_id", "occurs_on"),
    one_of("state", CampaignState),
    one_of("class", MessageClass),
    one_of("duplicates", DuplicatePolicy),
    CheckConstraint("per_hour > 0", name="per_hour"),
    CheckConstraint("segments_per_second > 0", name="segments_per_second"),
    CheckConstraint("canary > 0", name="canary"),
    CheckConstraint("hours_from BETWEEN 0 AND 1439 AND hours_until BETWEEN 0 AND 1439", name="hours"),
    CheckConstraint("spread_hours > 0", name="spread_hours"),
    CheckConstraint("not_within_hours > 0", name="not_within_hours"),
    # those that the clock looks at
    Index(
        "campaigns_active",
        "id",
        postgresql_where=text("state IN ('checking', 'scheduled', 'running', 'paused')"),
    ),
    Index("campaigns_open", "state", postgresql_where=text("state NOT IN ('finished', 'aborted', 'expired')")),
    Index(None, "account_id", "id"),
    Index("campaigns_repeating", "repeat_next_at", postgresql_where=text("repeat_next_at IS NOT NULL")),
    Index("campaigns_copied", "id", postgresql_where=text("copies_from IS NOT NULL AND ended_at IS NULL")),
)

#: counts of a campaign, changed with each portion of rows; its lock is what serializes portions
campaign_progress = Table(
    "campaign_progress",
    metadata,
    Column("campaign_id", ForeignKey("campaigns.id"), primary_key=True),
    #: rows loaded
    Column("rows", Integer, nullable=False, server_default=text("0")),
    #: SHA-256 over all loaded portions, in order: a repeated load is recognized by it
    Column("digest", LargeBinary),
    #: the last line that was checked, and the quote up to there
    Column("checked_line", Integer, nullable=False, server_default=text("0")),
    Column("tally", JSONB),
    #: all rows up to this line are sent or skipped
    Column("expanded_line", Integer, nullable=False, server_default=text("0")),
    #: rows by outcome; those left out are fenced or expired, as the campaign is aborted or expired
    Column("skipped", Integer, nullable=False, server_default=text("0")),
    Column("sent", Integer, nullable=False, server_default=text("0")),
    Column("left_out", Integer, nullable=False, server_default=text("0")),
    #: segments of the sent rows, and their cost in minor units
    Column("segments", BigInteger, nullable=False, server_default=text("0")),
    Column("amount", BigInteger, nullable=False, server_default=text("0")),
    #: inbound messages that answer its messages, and how many of them were an opt-out
    Column("replies", Integer, nullable=False, server_default=text("0")),
    Column("opt_outs", Integer, nullable=False, server_default=text("0")),
    #: since when its speed limit counts, and what was sent since
    instant("paced_from"),
    Column("paced_sent", Integer, nullable=False, server_default=text("0")),
    Column("paced_segments", Integer, nullable=False, server_default=text("0")),
    #: gates look at messages from then on: an operator resumed it though a gate had paused it; null: at all
    instant("gated_from"),
    #: when the last portion was committed, or hinted
    instant("worked_at", nullable=False, server_default=NOW),
    CheckConstraint("skipped + sent + left_out <= rows", name="rows"),
    postgresql_with={"fillfactor": "50"},
)

#: changes of campaigns' states that webhooks report; kept for `webhook_days`, and while deliveries refer to them
campaign_events = Table(
    "campaign_events",
    metadata,
    #: UUIDv7; those of one campaign rise in the order of its states
    Column("id", Uuid, primary_key=True),
    Column("campaign_id", ForeignKey("campaigns.id"), nullable=False),
    Column("state", Text, nullable=False),
    #: as the campaign had it then
    Column("reason", Text),
    #: what paused it; null: it is not paused
    Column("cause", Text),
    instant("at", nullable=False),
    #: when operators get an e-mail of it, or another try is made; null: they get none, or it is sent
    instant("alert_due_at"),
    #: tries begun
    Column("alert_tries", SmallInteger, nullable=False, server_default=text("0")),
    one_of("state", CampaignState),
    one_of("cause", PauseCause),
    Index("campaign_events_alerts", "at", postgresql_where=text("alert_due_at IS NOT NULL")),
    Index(None, "campaign_id", "id"),
)

#: recipients; partitioned by the day of the campaign's id and dropped with it
campaign_rows = Table(
    "campaign_rows",
    metadata,
    Column("campaign_id", Uuid, primary_key=True),
    #: line in the file as a spreadsheet shows it, or the number of the row
    Column("line", Integer, primary_key=True),
    #: E.164 with the plus; as it was given where it is no number
    Column("phone", Text, nullable=False),
    #: ISO 3166-1 alpha-2, as given; null: that of the number
    Column("country", Text),
    Column("correlation_id", Text),
    #: merge fields of its own
    Column("merge", JSONB),
    #: why it is not sent: a `Code` or `RowVerdict`; null: it is, or will be
    Column("verdict", Text),
    #: what is wrong with it, in words
    Column("fault", Text),
    #: drawn for the canary
    Column("canary", Boolean, nullable=False, server_default=text("false")),
    #: its message has the id of the request's first message plus place; null: not sent (yet)
    Column("request_id", Uuid),
    Column("place", Integer),
    #: IANA name of its time zone; null: by its number
    Column("time_zone", Text),
    # looked up by message where a campaign has local hours
    Index("campaign_rows_zoned", "campaign_id", "request_id", postgresql_where=text("time_zone IS NOT NULL")),
    Index("campaign_rows_canary", "campaign_id", "line", postgresql_where=text("canary")),
    # which campaign a recipient answers
    Index("campaign_rows_phone", "campaign_id", "phone", postgresql_where=text("request_id IS NOT NULL")),
    postgresql_partition_by="RANGE (campaign_id)",
)
