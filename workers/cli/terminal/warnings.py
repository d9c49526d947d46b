"""What an operator should look at: input that was set aside, orders that nobody reads, a clock that stands still."""

from collections.abc import Sequence

from pipeline.stages.admin.overview import Clock, Overview
from workers.broker.unread_queues import UnreadQueue
from workers.cli.terminal.table_layout import moment, table

#: seconds without a tick after which it is said
_LATE = 10.0


def warnings(found: Overview, stray: Sequence[UnreadQueue]) -> str:
    """Return what should be looked at as lines to read, "" when there is nothing."""
    aside = [(row["source"], row["origin"], row["reason"], row["letters"], row["last_at"]) for row in found.set_aside]
    parts = [
        "set aside, for it could not be read (postroad broker dead list)\n"
        + table(["source", "from", "reason", "ever", "last"], aside)
        if aside
        else "",
        "orders that nobody reads: their producers send otherwise than docs/producers.md says\n"
        + table(["list", "messages", "sent"], [(each.list, each.messages, each.wrong) for each in stray])
        if stray
        else "",
        _clock(found.clock),
    ]
    return "\n\n".join(part for part in parts if part)


def _clock(clock: Clock) -> str:
    if not clock.is_known or (clock.age is not None and clock.age <= _LATE):
        return ""
    since = f"no tick for {clock.age:,.0f} s, since {moment(clock.ticked_at)}" if clock.ticked_at else "it never ticked"
    return (
        f"the clock stands still: {since}. Nothing is promoted, settled or swept until `beat` and `clock` of the"
        " Procfile run"
    )
