"""Prints the table of docs/performance.md from several benches: `python -m workers.lab.bench.table 1.json 2.json …`."""

import json
import statistics
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

#: figure → its path in a bench's JSON
_FIGURES = (
    {
        "road: messages/s": "road.messages_a_second",
        "road: share of the ceiling over one connection": "road.share_of_ceiling.1",
        "road: share of the ceiling over as many connections as children": "road.share_of_ceiling.3",
        "road: CPU µs a message, worker": "road.cpu_us_a_message.worker",
        "road: CPU µs a message, PostgreSQL": "road.cpu_us_a_message.postgresql",
        "road: CPU µs a message, Valkey": "road.cpu_us_a_message.valkey",
        "road: CPU µs a message, producer": "road.cpu_us_a_message.producer",
        "road: CPU µs a message, the carrier's process": "road.cpu_us_a_message.carriers",
        "road: CPU µs a message, simulator": "road.cpu_us_a_message.simulator",
        "road: WAL bytes a message": "road.wal_bytes_a_message",
        "road: cores at work elsewhere": "road.cores.elsewhere",
        "ceiling: messages/s over one connection": "ceiling.1.messages_a_second",
        "ceiling: messages/s over three": "ceiling.3.messages_a_second",
        "ceiling: cores at work elsewhere": "ceiling.3.cores.elsewhere",
        "lane: ms from submit to carrier, alone, p50": "lane.alone.submit_to_carrier_ms.p50",
        "lane: ms from submit to carrier, alone, p99": "lane.alone.submit_to_carrier_ms.p99",
        "lane: ms from submit to carrier, beside bulk, p50": "lane.beside_bulk.submit_to_carrier_ms.p50",
        "lane: ms from submit to carrier, beside bulk, p95": "lane.beside_bulk.submit_to_carrier_ms.p95",
        "lane: ms from submit to carrier, beside bulk, p99": "lane.beside_bulk.submit_to_carrier_ms.p99",
        "lane: the bulk's ms from submit to mark, p50": "lane.beside_bulk.bulk_submit_to_mark_ms.p50",
        "lane: the bulk's ms from submit to mark, p99": "lane.beside_bulk.bulk_submit_to_mark_ms.p99",
        "lane: cores at work elsewhere": "lane.beside_bulk.cores.elsewhere",
        "clock: idle tick, full batches wait, ms p50": "clock.in_full_batches.idle_tick_ms.p50",
        "clock: idle tick, full batches wait, ms p99": "clock.in_full_batches.idle_tick_ms.p99",
        "clock: idle tick, batches of one wait, ms p50": "clock.in_batches_of_one.idle_tick_ms.p50",
        "clock: idle tick, batches of one wait, ms p99": "clock.in_batches_of_one.idle_tick_ms.p99",
        "clock: seconds to promote them all, in full batches": "clock.in_full_batches.promoted_in_seconds",
        "clock: batches of one promoted a second": "clock.in_batches_of_one.batches_a_second",
        "clock: µs a due batch, 100,000 waiting": "clock.us_a_due_batch_by_waiting.100000",
        "clock: µs a due batch, 5,000,000 waiting": "clock.us_a_due_batch_by_waiting.5000000",
        "campaign: seconds to load the rows": "campaign.loaded_in_seconds",
        "campaign: seconds to check and quote them": "campaign.checked_in_seconds",
        "campaign: MiB of the loading process": "campaign.memory_mib",
        "campaign: rows/s that became messages": "campaign.expanded_rows_a_second",
        "campaign: messages/s handed over": "campaign.handed_over_a_second",
        "campaign: ms to read its progress, p50": "campaign.progress_in_ms.p50",
        "campaign: ms from pause to the last message, p50": "campaign.pauses.last_after_ms.p50",
        "campaign: messages later than 1 s after a pause": "campaign.pauses.later_than_1_s",
        "doors: calls/s answered with nothing": "doors.empty_handler.calls_a_second",
    }
    | {
        f"doors: {dialect}, {words}": f"doors.{dialect}.{path}"
        for dialect in ("solaris", "robase", "telesign", "webex")
        for words, path in (
            ("accepted a second", "accepted_a_second"),
            ("delivered and recorded a second", "delivered_a_second"),
            ("ms to the answer at 1,000/s, p50", "answered_in_ms_at_1000_a_second.p50"),
            ("ms to the answer at 1,000/s, p99", "answered_in_ms_at_1000_a_second.p99"),
            ("CPU µs a message, gateway", "cpu_us_a_message.gateway"),
            ("CPU µs a message, PostgreSQL", "cpu_us_a_message.postgresql"),
            ("CPU µs a message, worker", "cpu_us_a_message.worker"),
            ("CPU µs a message, lane", "cpu_us_a_message.lane"),
            ("cores at work elsewhere", "cores.elsewhere"),
        )
    }
    | {"doors: ms to the answer to 10,000 recipients, p50": "doors.webex_large.answered_in_ms.p50"}
)


def table(results: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Yield the lines of a Markdown table: the median, least and greatest of each figure that was measured."""
    yield "| figure | median | least – most |"
    yield "| --- | ---: | ---: |"
    for figure, path in _FIGURES.items():
        found = [value for result in results if (value := _find(result, path)) is not None]
        if found:
            middle, least, most = statistics.median(found), min(found), max(found)
            yield f"| {figure} | {middle:,.10g} | {least:,.10g} – {most:,.10g} |"


def _find(result: Any, path: str) -> float | None:
    for name in path.split("."):
        result = result.get(name) if isinstance(result, dict) else None
    return result if isinstance(result, int | float) else None


if __name__ == "__main__":
    sys.stdout.write("\n".join(table([json.loads(Path(name).read_text()) for name in sys.argv[1:]])) + "\n")
