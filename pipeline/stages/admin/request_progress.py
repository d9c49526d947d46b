"""Progress of requests: counts of their messages by public status, without reading any text."""

from collections.abc import Collection
from dataclasses import dataclass, field
from uuid import UUID

from pipeline.rules.identity import ids
from pipeline.runtime import Runtime
from pipeline.store import idempotent_replays
from pipeline.store import request_progress as store


@dataclass(frozen=True, slots=True)
class Progress:
    """Progress of one request, as counts of messages."""

    recipients: int
    #: recipients refused on admission: `operator_reports.report_of` says why
    refused: int
    #: messages by public status
    statuses: dict[str, int] = field(default_factory=dict)


def progress(rt: Runtime, wanted: Collection[UUID]) -> dict[UUID, Progress]:
    """Return the progress of each request that was processed; requests still in the broker are omitted.

    A request that only repeats an earlier one under its idempotency key has the progress of the earlier one.
    """
    with rt.begin() as conn:
        rows = store.requests(conn, list(wanted))
        repeats = [(row["id"], row["first_message"], row["recipients"]) for row in rows if row["repeats"]]
        originals = idempotent_replays.originals(conn, repeats)
        rows += store.requests(conn, sorted(set(originals.values()) - {row["id"] for row in rows}))
        spans = [(row["id"], row["first_message"], _last(row)) for row in rows if row["accepted"]]
        found = {row["id"]: Progress(row["recipients"], row["recipients"] - row["accepted"]) for row in rows}
        for request, status, messages in store.statuses(conn, spans):
            found[request].statuses[status] = messages
    return {id_: found[originals.get(id_, id_)] for id_ in wanted if id_ in found}


def _last(row: store.Row) -> UUID:
    return ids.after(row["first_message"], row["recipients"] - 1)
