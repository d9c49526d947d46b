"""The installation's metrics, from a snapshot of its figures and the state of broker and Valkey."""

from collections import defaultdict
from collections.abc import Callable

from pipeline.stages.admin.metrics_snapshot import BUCKET_NAMES, DEAD_LETTERS_KEPT, MetricsSnapshot, ValkeyState
from schema.vocabulary import BatchStatus, CampaignState, Counter, HoldReason, PauseCause, Status
from workers.metrics import metric_definitions as m
from workers.metrics.broker_state import BrokerState
from workers.metrics.families import Samples

#: upper bounds of the histograms' buckets, in seconds
_BOUNDS = tuple(float(name) for name in BUCKET_NAMES[:-1])
_HISTOGRAMS = {
    Counter.QUEUE_WAIT: m.QUEUE_WAIT,
    Counter.RECEIPT_LAG: m.RECEIPT_LAG,
    Counter.DELIVERY_TIME: m.DELIVERY_TIME,
}
#: most low wallets that are named
_WALLETS = 50


def installation_metrics(snapshot: MetricsSnapshot | None, broker: BrokerState, valkey: ValkeyState) -> Samples:
    """Return the metrics; without a snapshot, as the database did not answer, only what the others know."""
    samples = Samples(m.INSTALLATION)
    samples.add(m.DATABASE_UP, snapshot is not None)
    samples.add(m.BROKER_UP, broker.is_up)
    samples.add(m.VALKEY_UP, valkey.is_up)
    samples.add_all(m.QUEUE_DEPTH, broker.depths)
    if broker.is_up:
        samples.add(m.UNREAD_TASKS, broker.unread)
        samples.add_all(m.WORKERS, broker.workers)
    if valkey.ticked_at:
        samples.add(m.CLOCK_TICK, valkey.ticked_at.timestamp())
    if snapshot:
        for add in _SUBJECTS:
            add(samples, snapshot)
        if valkey.is_up:
            _add_breakers(samples, snapshot, valkey)
    return samples


def _add_breakers(samples: Samples, snapshot: MetricsSnapshot, valkey: ValkeyState) -> None:
    closed = {(each.name, "") for each in snapshot.carriers} - valkey.open_breakers
    for carrier, country in sorted(valkey.open_breakers | closed):
        samples.add(m.BREAKER_OPEN, (carrier, country) in valkey.open_breakers, carrier, country)


def _add_backlog(samples: Samples, snapshot: MetricsSnapshot) -> None:
    oldest: dict[tuple[str, str], float] = {}
    for each in snapshot.backlog:
        place = str(each.message_class), each.carrier
        samples.add(m.BACKLOG, each.messages, *place, str(each.status))
        if each.status is not BatchStatus.SENDING:
            oldest[place] = max(oldest.get(place, 0.0), (snapshot.at - each.oldest).total_seconds())
    for place, seconds in oldest.items():
        samples.add(m.OLDEST_DUE, seconds, *place)
    samples.add_all(m.HELD, {str(reason): snapshot.held.get(reason, 0) for reason in HoldReason})
    samples.add_all(m.IN_DOUBT, {each.name: 0 for each in snapshot.carriers} | dict(snapshot.in_doubt))


def _add_totals(samples: Samples, snapshot: MetricsSnapshot) -> None:
    by_country: defaultdict[tuple[str, ...], int] = defaultdict(int)
    by_carrier: defaultdict[tuple[str, ...], int] = defaultdict(int)
    segments: defaultdict[str, float] = defaultdict(float)
    for each in snapshot.totals:
        if each.counter is Counter.MESSAGES:
            country, carrier, message_class, before, status = each.labels
            by_country[country, status] += each.events
            by_carrier[carrier, message_class, status] += each.events
            if (before, status) == (Status.QUEUED, Status.SENT):
                segments[carrier] += each.total
        elif (metric := _COUNTERS.get(each.counter)) is not None:
            samples.add(metric, each.events, *each.labels)
    for labels, events in by_country.items():
        samples.add(m.MESSAGES, events, *labels)
    for labels, events in by_carrier.items():
        samples.add(m.CARRIER_MESSAGES, events, *labels)
    samples.add_all(m.SEGMENTS, segments)
    _add_histograms(samples, snapshot)


_COUNTERS = {Counter.ATTEMPTS: m.ATTEMPTS, Counter.RECEIPTS: m.RECEIPTS, Counter.WEBHOOKS: m.WEBHOOKS}


def _add_histograms(samples: Samples, snapshot: MetricsSnapshot) -> None:
    counts: defaultdict[tuple[Counter, str], list[int]] = defaultdict(lambda: [0] * len(BUCKET_NAMES))
    totals: defaultdict[tuple[Counter, str], float] = defaultdict(float)
    for each in snapshot.totals:
        if each.counter in _HISTOGRAMS:
            label, bucket = each.labels
            counts[each.counter, label][BUCKET_NAMES.index(bucket)] += each.events
            totals[each.counter, label] += each.total
    for (counter, label), events in counts.items():
        samples.add_histogram(_HISTOGRAMS[counter], _BOUNDS, events, totals[counter, label], label)


def _add_carriers(samples: Samples, snapshot: MetricsSnapshot) -> None:
    for each in snapshot.carriers:
        samples.add(m.CARRIER_ACTIVE, each.is_active, each.name)
        if each.binds:
            samples.add(m.BINDS, each.binds[0], each.name)
            samples.add(m.BINDS_WANTED, each.binds[1], each.name)
        if each.limit:
            used = snapshot.traffic[each.name].segments if each.name in snapshot.traffic else 0
            samples.add(m.LIMIT, each.limit, each.name)
            samples.add(m.LIMIT_USED, used / 60 / each.limit, each.name)
        if each.receipt_seconds is not None:
            samples.add(m.RECEIPTS_WITHIN, each.receipt_seconds, each.name)
    for carrier, traffic in snapshot.traffic.items():
        if ended := traffic.delivered + traffic.undelivered:
            samples.add(m.DELIVERY_RATIO, traffic.delivered / ended, carrier)


def _add_campaigns(samples: Samples, snapshot: MetricsSnapshot) -> None:
    over = {CampaignState.FINISHED, CampaignState.ABORTED, CampaignState.EXPIRED}
    samples.add_all(
        m.CAMPAIGNS, {str(each): snapshot.campaigns.get(each, 0) for each in CampaignState if each not in over}
    )
    samples.add_all(m.CAMPAIGNS_PAUSED, {str(each): snapshot.paused.get(each, 0) for each in PauseCause})
    for rows in snapshot.campaign_rows:
        pending = rows.rows - rows.sent - rows.skipped
        for state, count in (("sent", rows.sent), ("skipped", rows.skipped), ("pending", pending)):
            samples.add(m.CAMPAIGN_ROWS, count, str(rows.id), state)


def _add_webhooks(samples: Samples, snapshot: MetricsSnapshot) -> None:
    backlog = snapshot.webhooks
    overdue = (snapshot.at - backlog.oldest).total_seconds() if backlog.oldest else 0.0
    samples.add(m.WEBHOOKS_WAITING, backlog.waiting)
    samples.add(m.WEBHOOKS_OVERDUE, max(overdue, 0.0))
    states = dict.fromkeys(("active", "failing", "suspended"), 0)
    samples.add_all(m.WEBHOOK_ENDPOINTS, states | backlog.endpoints)


def _add_upkeep(samples: Samples, snapshot: MetricsSnapshot) -> None:
    samples.add(m.READ_SECONDS, snapshot.seconds)
    samples.add(m.WALLETS_LOW, len(snapshot.low_wallets))
    for wallet in snapshot.low_wallets[:_WALLETS]:
        samples.add(m.WALLET_LEFT, wallet.left, wallet.account, wallet.currency)
    samples.add(m.AUDIT_AT, snapshot.audit.at.timestamp() if snapshot.audit else 0)
    if snapshot.audit:
        samples.add(m.AUDIT_BROKEN, snapshot.audit.broken)
    for table in snapshot.partitions:
        samples.add(m.PARTITIONS, table.partitions, table.table)
        samples.add(m.PARTITION_DAYS, (table.until - snapshot.today).days, table.table)
    samples.add(m.DATABASE_BYTES, snapshot.database_bytes)
    for (source, reason), letters in snapshot.dead_letters.items():
        samples.add(m.DEAD_LETTERS, letters, source, reason)
    samples.add_all(m.DEAD_LETTERS_KEPT, snapshot.dead_letters_kept)
    samples.add(m.DEAD_LETTERS_LIMIT, DEAD_LETTERS_KEPT)


_SUBJECTS: tuple[Callable[[Samples, MetricsSnapshot], None], ...] = (
    _add_backlog,
    _add_totals,
    _add_carriers,
    _add_campaigns,
    _add_webhooks,
    _add_upkeep,
)
