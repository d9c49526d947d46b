"""Warnings in `postroad status`: dead letters, orders in unread queues, a clock that does not tick."""

from collections.abc import Sequence

from pipeline.stages.admin.operator_reports import Clock, Overview
from workers.broker.unread_queues import UnreadQueue
from workers.cli.terminal.table_layout import moment, table

#: seconds without a tick after which a warning is shown
_LATE = 10.0


def warnings(found: Overview, stray: Sequence[UnreadQueue]) -> str:
    """Return the warnings as lines, "" without any."""
    aside = [(row["source"], row["origin"], row["reason"], row["letters"], row["last_at"]) for row in found.set_aside]
    parts = [
        "dead letters (postroad broker dead list, postroad carrier dead list)\n"
        + table(["source", "from", "reason", "ever", "last"], aside)
        if aside
        else "",
        "orders in unread queues: their producers do not follow docs/producers.md\n"
        + table(["list", "messages", "sent"], [(each.list, each.messages, each.wrong) for each in stray])
        if stray
        else "",
        _clock(found.clock),
    ]
    return "\n\n".join(part for part in parts if part)


def _clock(clock: Clock) -> str:
    if not clock.is_known or (clock.age is not None and clock.age <= _LATE):
        return ""
    since = (
        f"no tick for {clock.age:,.0f} s, since {moment(clock.ticked_at)}" if clock.ticked_at else "it has never ticked"
    )
    return (
        f"the clock does not tick: {since}. Nothing is promoted, settled or swept until `beat` and `clock` of the"
        " Procfile run"
    )
