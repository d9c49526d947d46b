"""The metrics: name, type, labels and meaning of each. docs/metrics.md lists the same, and a test compares them."""

from enum import StrEnum

from schema.value_class import value_class


class MetricType(StrEnum):
    """The type of a metric, as Prometheus calls it."""

    #: never falls, but for a restart from nothing
    COUNTER = "counter"
    #: rises and falls
    GAUGE = "gauge"
    #: counts durations or sizes by bucket
    HISTOGRAM = "histogram"


@value_class
class MetricDefinition:
    """One metric."""

    name: str
    type: MetricType
    #: what it measures, and its unit: the HELP line
    meaning: str
    labels: tuple[str, ...] = ()


def _gauge(name: str, meaning: str, *labels: str) -> MetricDefinition:
    return MetricDefinition(f"postroad_{name}", MetricType.GAUGE, meaning, labels)


def _counter(name: str, meaning: str, *labels: str) -> MetricDefinition:
    return MetricDefinition(f"postroad_{name}_total", MetricType.COUNTER, meaning, labels)


def _histogram(name: str, meaning: str, *labels: str) -> MetricDefinition:
    return MetricDefinition(f"postroad_{name}", MetricType.HISTOGRAM, meaning, labels)


DATABASE_UP = _gauge("database_up", "Whether the database answers in time.")
BROKER_UP = _gauge("broker_up", "Whether the broker answers in time.")
VALKEY_UP = _gauge("valkey_up", "Whether the Valkey of breakers, limits and the heartbeat answers.")
READ_SECONDS = _gauge("metrics_read_seconds", "Seconds that reading the figures of the database took.")

BACKLOG = _gauge("backlog_messages", "Due messages that have no status of their own yet.", "class", "carrier", "state")
OLDEST_DUE = _gauge("oldest_due_seconds", "Seconds since the oldest unclaimed batch became due.", "class", "carrier")
HELD = _gauge("held_messages", "Messages of batches that are held though nothing failed.", "reason")
IN_DOUBT = _gauge("in_doubt_attempts", "Attempts that may have been accepted and are not resolved.", "carrier")
MESSAGES = _counter("messages", "Messages that came into a status.", "country", "status")
CARRIER_MESSAGES = _counter("carrier_messages", "Messages that came into a status.", "carrier", "class", "status")
SEGMENTS = _counter("segments", "Segments of the messages that were submitted.", "carrier")
DELIVERY_RATIO = _gauge(
    "delivery_ratio", "Share of the last hour's final receipts of submitted messages that say delivered.", "carrier"
)
QUEUE_WAIT = _histogram(
    "queue_wait_seconds", "Seconds from when a message was queued until a carrier accepted it.", "class"
)
DELIVERY_TIME = _histogram(
    "delivery_seconds", "Seconds from when a message was accepted, or scheduled for, until it was delivered.", "class"
)
RECEIPT_LAG = _histogram(
    "receipt_lag_seconds", "Seconds from when a carrier accepted a message until its receipt said delivered.", "carrier"
)

ATTEMPTS = _counter("attempts", "Attempts at carriers.", "carrier", "outcome", "code")
RECEIPTS = _counter("receipts", "Delivery receipts, each once.", "carrier", "verdict", "code")
CARRIER_ACTIVE = _gauge("carrier_active", "Whether a carrier is given messages: it is not drained.", "carrier")
BREAKER_OPEN = _gauge("breaker_open", "Whether a circuit breaker is open.", "carrier", "country")
BINDS = _gauge("binds", "SMPP binds that are up.", "carrier")
BINDS_WANTED = _gauge("binds_wanted", "SMPP binds that should be up.", "carrier")
LIMIT = _gauge("carrier_limit_segments_per_second", "A carrier's rate limit.", "carrier")
LIMIT_USED = _gauge("carrier_limit_used_ratio", "Share of its rate limit that it used in the last minute.", "carrier")
RECEIPTS_WITHIN = _gauge("carrier_receipts_within_seconds", "Seconds within which its receipts arrive.", "carrier")

CAMPAIGNS = _gauge("campaigns", "Campaigns that are not over.", "state")
CAMPAIGNS_PAUSED = _gauge("campaigns_paused", "Paused campaigns, by what paused them.", "cause")
CAMPAIGN_ROWS = _gauge("campaign_rows", "Rows of the latest running and paused campaigns.", "campaign", "state")

WEBHOOKS_WAITING = _gauge("webhooks_waiting", "Webhook deliveries that wait, 100000 at most.")
WEBHOOKS_OVERDUE = _gauge("webhooks_overdue_seconds", "Seconds since the oldest waiting webhook delivery was due.")
WEBHOOKS = _counter("webhooks", "Webhook deliveries that ended.", "state")
WEBHOOK_ENDPOINTS = _gauge("webhook_endpoints", "Webhook endpoints.", "state")

QUEUE_DEPTH = _gauge("queue_depth", "Tasks in a queue of the broker; not known for RabbitMQ.", "queue")
UNREAD_TASKS = _gauge("unread_tasks", "Orders in lists of the broker that no worker reads.")
WORKERS = _gauge("workers", "Celery workers of a name that answer, 0 for each that should.", "worker")
CLOCK_TICK = _gauge("clock_tick_timestamp_seconds", "When a worker last handled a tick of beat, in Unix time.")

WALLETS_LOW = _gauge("wallets_low", "Wallets of active accounts that are below their alert.")
WALLET_LEFT = _gauge("wallet_left", "Minor units left in a wallet that is low, 50 at most.", "account", "currency")
AUDIT_BROKEN = _gauge("audit_broken_invariants", "Invariants that the last audit found violated.")
AUDIT_AT = _gauge("audit_timestamp_seconds", "When the last audit was made, in Unix time; 0: never.")
PARTITION_DAYS = _gauge("partition_days_ahead", "Days from today for which partitions exist.", "table")
PARTITIONS = _gauge("partitions", "Partitions by day.", "table")
DATABASE_BYTES = _gauge("database_bytes", "Size of the database.")
DEAD_LETTERS = _counter("dead_letters", "Input that could not be read.", "source", "reason")
DEAD_LETTERS_KEPT = _gauge("dead_letters_kept", "Dead letters that are kept.", "source")
DEAD_LETTERS_LIMIT = _gauge("dead_letters_limit", "Dead letters of one source that are kept at most.")

#: what `postroad metrics` exports
INSTALLATION = tuple(each for each in list(globals().values()) if isinstance(each, MetricDefinition))

REQUEST_SECONDS = _histogram("gateway_request_seconds", "Seconds to a response.", "dialect", "operation", "status")
REQUEST_BYTES = _histogram("gateway_request_bytes", "Bytes of request bodies.", "dialect", "operation", "status")
RESPONSE_BYTES = _histogram("gateway_response_bytes", "Bytes of response bodies.", "dialect", "operation", "status")
#: what each gateway process exports
GATEWAY = (REQUEST_SECONDS, REQUEST_BYTES, RESPONSE_BYTES)
