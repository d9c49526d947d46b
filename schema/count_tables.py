"""SQLAlchemy tables of counters: of status changes by minute and by day, and of what metrics count without a time."""

from sqlalchemy import BigInteger, Boolean, Column, Float, Index, Integer, SmallInteger, Table, Text, Uuid, text
from sqlalchemy.dialects.postgresql import ARRAY

from schema.columns import instant, metadata, one_of
from schema.vocabulary import Counter


def _dimensions() -> list[Column]:  # type: ignore[type-arg]
    return [
        Column("account_id", Integer, nullable=False),
        #: null: of no campaign
        Column("campaign_id", Uuid),
        #: ISO 3166-1 alpha-2, or "" where the calling code is shared
        Column("country", Text, nullable=False),
        #: the carrier of the message's batch
        Column("carrier", Text, nullable=False),
        Column("class", Text, nullable=False),
        Column("test", Boolean, nullable=False),
        #: the status before; "": new
        Column("before", Text, nullable=False),
        #: the status since; queued: billed, to be sent now or later
        Column("status", Text, nullable=False),
    ]


def _sums() -> list[Column]:  # type: ignore[type-arg]
    return [
        #: messages and segments whose status changed so
        Column("messages", BigInteger, nullable=False),
        Column("segments", BigInteger, nullable=False),
        #: minor units of the account's currency that were earned with it
        Column("revenue", BigInteger, nullable=False),
    ]


#: columns that identify a sum, apart from its time
DIMENSIONS = tuple(column.name for column in _dimensions())
SUMS = tuple(column.name for column in _sums())

#: one row for each commit and set of dimensions; folded and deleted within seconds (stages/fold_counts.py)
status_changes = Table(
    "status_changes",
    metadata,
    instant("minute", nullable=False),
    *_dimensions(),
    *_sums(),
    #: of messages that a carrier accepted, or that are delivered: how long that took them, as a bucket of histograms
    #: (store/metric_counters.py) and the sum of their seconds; since they were queued, or since they were accepted
    Column("took_bucket", SmallInteger),
    Column("took", Float),
    #: the same for delivered ones since a carrier accepted them
    Column("lag_bucket", SmallInteger),
    Column("lag", Float),
)

#: kept for POSTROAD_COUNT_MINUTES_DAYS
status_counts_by_minute = Table(
    "status_counts_by_minute",
    metadata,
    instant("minute", nullable=False),
    *_dimensions(),
    *_sums(),
    Index("status_counts_by_minute_key", "minute", *DIMENSIONS, unique=True, postgresql_nulls_not_distinct=True),
    Index(
        "status_counts_by_minute_campaign",
        "campaign_id",
        "minute",
        postgresql_where=text("campaign_id IS NOT NULL"),
    ),
)

#: kept for good: a row for each day, account, campaign, country, carrier, class and pair of statuses
status_counts_by_day = Table(
    "status_counts_by_day",
    metadata,
    #: midnight UTC
    instant("day", nullable=False),
    *_dimensions(),
    *_sums(),
    Index("status_counts_by_day_key", "day", *DIMENSIONS, unique=True, postgresql_nulls_not_distinct=True),
    Index("status_counts_by_day_account", "account_id", "day"),
    Index("status_counts_by_day_campaign", "campaign_id", postgresql_where=text("campaign_id IS NOT NULL")),
)


def _events() -> list[Column]:  # type: ignore[type-arg]
    return [
        Column("events", BigInteger, nullable=False),
        #: sum of what was measured with them: seconds, or segments
        Column("total", Float, nullable=False),
    ]


#: one row for each commit and set of labels; folded and deleted within seconds (stages/fold_counts.py)
counter_increments = Table(
    "counter_increments",
    metadata,
    Column("counter", Text, nullable=False),
    Column("labels", ARRAY(Text), nullable=False),
    *_events(),
    one_of("counter", Counter),
)

#: kept for good, as metrics never fall: a row for each counter and set of labels, whose number is limited
counter_totals = Table(
    "counter_totals",
    metadata,
    Column("counter", Text, primary_key=True),
    #: what they are: `Counter`
    Column("labels", ARRAY(Text), primary_key=True),
    *_events(),
    one_of("counter", Counter),
)
