"""Warnings in `postroad status`: dead letters ever received, orders in unread queues."""

from collections.abc import Sequence

from pipeline.stages.admin.operator_reports import Overview
from workers.broker.unread_queues import UnreadQueue
from workers.cli.terminal.table_layout import table


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
    ]
    return "\n\n".join(part for part in parts if part)
