"""Text output of what an installation's processes are at, and of what needs a person."""

from datetime import datetime

from pipeline.stages.admin.attention import AttentionItem, InstallationAttention, InstallationState
from workers.cli.terminal.table_layout import moment, plain, table


def process_lines(found: InstallationState) -> str:
    """Return lines about workers, the clock and the queues."""
    broker = found.broker
    workers = ", ".join(name if count == 1 else f"{name} ({count})" for name, count in broker.workers.items() if count)
    queues = sorted((name, depth) for name, depth in broker.depths.items() if depth)
    lines = [
        f"workers that answer: {workers or 'none'}" if broker.is_up else "the broker does not answer",
        _ticked(found),
        f"drained carriers: {', '.join(each.name for each in found.drained)}" if found.drained else "",
        "tasks in queues\n" + table(["queue", "tasks"], queues) if queues else "no task is in a queue",
    ]
    return "\n".join(line for line in lines if line)


def attention_lines(found: InstallationAttention) -> str:
    """Return a paragraph for each condition that needs a person; "" without any."""
    if not found.items:
        return ""
    return "\n".join(["needs a person", *(_item(each, found.state.at) for each in found.items)])


def _item(item: AttentionItem, now: datetime) -> str:
    count = f" ({plain(item.count)})" if item.count is not None else ""
    since = f", since {moment(item.since)}, {_age(now, item.since)} ago" if item.since else ""
    return f"- {plain(item.subject)} {plain(item.words)}{count}{since}\n    {item.action}"


def _ticked(found: InstallationState) -> str:
    if not found.is_valkey_up:
        return "last tick of the clock: not known, Valkey does not answer"
    if found.ticked_at is None:
        return "last tick of the clock: never"
    return f"last tick of the clock: {_age(found.at, found.ticked_at)} ago"


def _age(now: datetime, since: datetime) -> str:
    seconds = max(0.0, (now - since).total_seconds())
    for unit, length in (("days", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"
