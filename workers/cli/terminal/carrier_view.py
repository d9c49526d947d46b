"""The text output of `postroad carrier status`."""

from collections.abc import Iterable, Sequence

from pipeline.stages.admin.carrier_status import BindState, BreakerState, CarrierStatus
from schema.vocabulary import BatchStatus, HoldReason, Outcome
from workers.cli.terminal.table_layout import moment, pairs, table

_IN_PROGRESS = (BatchStatus.QUEUED, BatchStatus.SENDING, BatchStatus.WAITING)
#: columns of outcomes; both kinds of refusal share one
_OUTCOMES = {
    "accepted": (Outcome.ACCEPTED,),
    "refused": (Outcome.REFUSED_PERMANENT, Outcome.REFUSED_TRANSIENT),
    "not written": (Outcome.NOT_WRITTEN,),
    "unknown": (Outcome.UNKNOWN,),
}
#: why batches of the carrier are held
_HOLDS = {
    HoldReason.ACCOUNT: "account suspended",
    HoldReason.CARRIER: "no carrier",
    HoldReason.CAMPAIGN: "campaign paused",
}


def carrier_lines(found: Sequence[CarrierStatus]) -> str:
    """Return a line for each carrier, then the errors of binds that are down."""
    headers = [
        "carrier",
        "kind",
        "state",
        "breaker",
        "segments/s",
        *map(str, _IN_PROGRESS),
        "held",
        *_OUTCOMES,
        "receipts",
    ]
    rows = [
        (
            each.name,
            each.kind,
            _state(each),
            _breaker(each),
            _pace(each),
            *(each.waiting[status].messages if status in each.waiting else 0 for status in _IN_PROGRESS),
            sum(there.messages for there in each.held.values()),
            *(sum(each.outcomes.get(outcome, 0) for outcome in outcomes) for outcomes in _OUTCOMES.values()),
            sum(each.receipts.values()),
            sum(each.unread.values()) or None,
            each.balance,
        )
        for each in found
    ]
    down = [
        f"{each.name}: binds: {_bind(bind)}" for each in found for bind in each.binds if bind.fault or bind.is_stale
    ]
    return "\n".join([table([*headers, "unread", "balance"], rows), *([""] if down else []), *down])


def full_status(found: CarrierStatus, minutes: float) -> str:
    """Return the full status of one carrier as lines."""
    spent = found.balance and f"{found.balance}, as of {moment(found.balance_at)}" if found.balance_at else None
    deadline = found.receipt_seconds and f"within {found.receipt_seconds:g} s, as measured"
    what = {
        "carrier": found.name,
        "kind": found.kind,
        "state": _state(found),
        "breaker": _breaker(found),
        "binds": [_bind(each) for each in found.binds],
        "remarks": [f"{count:,} × {words}" for each in found.binds for words, count in each.remarks.items()],
        "segments/s": _pace(found),
        **{
            str(status): f"{there.messages:,} messages in {there.batches:,} batches"
            for status in _IN_PROGRESS
            if (there := found.waiting.get(status))
        },
        **{
            f"held: {_HOLDS[reason]}": f"{there.messages:,} messages in {there.batches:,} batches"
            for reason, there in sorted(found.held.items())
        },
        f"last {minutes:g} min": [f"{count:,} {outcome}" for outcome, count in sorted(found.outcomes.items())]
        or "no attempts",
        "receipts": [f"{count:,} {verdict}" for verdict, count in sorted(found.receipts.items())],
        "unread": [f"{count:,} {reason}" for reason, count in sorted(found.unread.items())],
        "unmatched": _unmatched(found),
        "last receipt": found.last_receipt,
        "receipts come": deadline,
        "balance": spent,
    }
    return pairs(what)


def _unmatched(found: CarrierStatus) -> str | None:
    """Return the number of unmatched receipts; if they are most, hint at the settings of the id format."""
    count, all_ = found.unmatched, sum(found.receipts.values())
    if not count:
        return None
    words = f"{count:,} receipts match no known message"
    is_most = 2 * count > all_ and found.id_settings
    return f"{words}: see {' and '.join(f'`{each}`' for each in found.id_settings)}" if is_most else words


def open_breakers(found: Iterable[BreakerState]) -> str:
    """Return open breakers in one line."""
    return ", ".join(_breaker_state(each, each.word) for each in found)


def _state(found: CarrierStatus) -> str:
    return f"{found.state} ({found.reason})" if found.reason else str(found.state)


def _bind(found: BindState) -> str:
    """Return the state of the binds of one host, with the last error."""
    state = f"{found.bound} of {found.wanted} on {found.host}"
    if found.is_stale:
        return f"no report from {found.host} since {moment(found.at)}"
    return f"{state}: {found.fault}" + (f" ({found.hint})" if found.hint else "") if found.fault else state


def _breaker(found: CarrierStatus) -> str:
    """Return the state of its breaker, then its countries' open breakers."""
    if found.illnesses is None:
        return "unknown: Valkey is unreachable"
    own = [_breaker_state(each) for each in found.illnesses if each.word == found.name]
    return ", ".join(
        (own or ["closed"]) + [_breaker_state(each, each.word) for each in found.illnesses if "/" in each.word]
    )


def _breaker_state(found: BreakerState, word: str = "") -> str:
    how = "half-open" if found.is_tried else f"open for {found.seconds:.0f} s" if found.seconds else "half-open soon"
    return f"{word} {how}" if word else how


def _pace(found: CarrierStatus) -> str:
    return "unlimited" if found.segments_per_second is None else f"{found.segments_per_second:g}"
