"""`postroad bench`: measures this machine's throughput, latency and CPU per message."""

import json
import re
from collections.abc import Iterator
from typing import Any

import click

from workers import logs
from workers.lab.bench.full_run import run
from workers.lab.bench.plan import PARTS, BenchPlan

_USUAL = BenchPlan()


def _parts(_context: click.Context, _option: click.Parameter, given: str) -> tuple[str, ...]:
    parts = tuple(part.strip() for part in given.split(","))
    if unknown := sorted(set(parts) - set(PARTS)):
        raise click.BadParameter(f"{unknown[0]!r} is not one of {', '.join(PARTS)}")
    return parts


def _smsc(_context: click.Context, _option: click.Parameter, given: str | None) -> str:
    if given and not re.fullmatch(r".+:[0-9]{1,5}", given):
        raise click.BadParameter(f"{given!r} is not HOST:PORT")
    return given or ""


@click.command()
@click.option(
    "--messages", default=_USUAL.messages, show_default=True, type=click.IntRange(1), help="Messages of the part road."
)
@click.option(
    "--batch", default=_USUAL.batch, show_default=True, type=click.IntRange(1, 10_000), help="Recipients per order."
)
@click.option(
    "--children",
    default=_USUAL.children,
    show_default=True,
    type=click.IntRange(1),
    help="Child processes of the worker.",
)
@click.option(
    "--carrier",
    default=_USUAL.carrier,
    show_default=True,
    type=click.Choice(["simulated", "http", "smpp"]),
    help="In the process, or the simulator over HTTP or SMPP.",
)
@click.option("--smpp", "smsc", metavar="HOST:PORT", help="An SMSC of yours instead of the simulator.", callback=_smsc)
@click.option("--receipts", is_flag=True, help="Over SMPP: request receipts, and measure until delivery.")
@click.option(
    "--only", "parts", default=",".join(PARTS), show_default=True, callback=_parts, help="The parts to measure."
)
@click.option(
    "--scheduled",
    default=_USUAL.scheduled,
    show_default=True,
    type=click.IntRange(1),
    help="Scheduled messages of the part clock (and five times as many).",
)
@click.option("--calls", default=_USUAL.calls, show_default=True, type=click.IntRange(1), help="Calls of each API.")
@click.option(
    "--gateways", default=_USUAL.gateways, show_default=True, type=click.IntRange(1), help="Gateway processes."
)
@click.option(
    "--connections",
    default=_USUAL.connections,
    show_default=True,
    type=click.IntRange(1),
    help="Concurrent HTTP connections.",
)
@click.option("--rows", default=_USUAL.rows, show_default=True, type=click.IntRange(1), help="Rows of the campaign.")
@click.option(
    "--pauses",
    "campaign_pauses",
    default=_USUAL.campaign_pauses,
    show_default=True,
    type=click.IntRange(0),
    help="Pauses of the part campaign.",
)
@click.option("--json", "bare", is_flag=True, help="JSON alone, without a summary on stderr.")
def bench(bare: bool, **sizes: Any) -> None:
    """Measure this machine, on temporary PostgreSQL and Valkey servers; print JSON, and a summary on stderr.

    SMPP uses one bind with a window of 50 to an SMSC in a process of its own, without receipts unless --receipts is
    given; `carriers` among the costs is the carrier's own worker.

    \b
    road     messages per second end to end, from producers to recorded attempts
    ceiling  the same rows by SQL alone; needs road
    lane     latency of one-time passwords, alone and beside bulk
    clock    ticks and promotion with very many scheduled messages
    doors    calls per second of each HTTP API, delivered and recorded
    campaign a file loaded, checked, quoted and sent; how soon a pause acts

    Exits with 1 when an invariant is violated.
    """
    plan = BenchPlan(**sizes)
    if plan.carrier != "smpp" and (plan.smsc or plan.receipts):
        raise click.UsageError("--smpp and --receipts go with --carrier smpp")
    logs.set_up("bench", "WARNING")
    result = run(plan, (lambda _: None) if bare else (lambda part: click.echo(f"measuring: {part} …", err=True)))
    click.echo(json.dumps(result, indent=2))
    if not bare:
        click.echo("\n".join(_summary(result)), err=True)
    if any(result["audit"].values()):
        raise SystemExit(1)


def _summary(result: dict[str, Any]) -> Iterator[str]:
    """Yield the main figures, a line each."""
    summaries = {"road": _road, "ceiling": _ceiling, "lane": _lane, "clock": _clock, "doors": _doors}
    summaries["campaign"] = _campaign
    for part, summary in summaries.items():
        if part in result:
            first, *rest = summary(result)
            yield f"{part:9}{first}"
            yield from (f"{'':9}{line}" for line in rest)
    yield f"audit    {sum(result['audit'].values())} broken"


def _road(result: dict[str, Any]) -> Iterator[str]:
    road = result["road"]
    rate = f"{road['messages_a_second']:,} messages/s {road['until']}, carrier {road['carrier']}"
    yield f"{rate}, {road['wal_bytes_a_message']:,} bytes of WAL each"
    yield "CPU µs per message: " + ", ".join(f"{name} {spent:g}" for name, spent in road["cpu_us_a_message"].items())
    yield _cores(road["cores"])
    yield f"submit to mark, all at once: {_times(road['submit_to_mark_ms'])}"


def _ceiling(result: dict[str, Any]) -> Iterator[str]:
    for connections, of in result["ceiling"].items():
        share = result["road"]["share_of_ceiling"][connections]
        yield f"{of['messages_a_second']:,} messages/s, connections: {connections}; road reaches {share:.2f} of it"
        yield "CPU µs per message: " + ", ".join(f"{name} {spent:g}" for name, spent in of["cpu_us_a_message"].items())
        yield _cores(of["cores"])


def _lane(result: dict[str, Any]) -> Iterator[str]:
    alone, beside = result["lane"]["alone"], result["lane"]["beside_bulk"]
    yield f"one-time passwords, submit to carrier, alone: {_times(alone['submit_to_carrier_ms'])}"
    yield f"beside {beside['bulk_offered_a_second']:,}/s of bulk: {_times(beside['submit_to_carrier_ms'])}"
    yield _cores(beside["cores"])


def _clock(result: dict[str, Any]) -> Iterator[str]:
    clock = result["clock"]
    for name in ("in_full_batches", "in_batches_of_one"):
        part = clock[name]
        yield f"{clock['scheduled']:,} wait {name.replace('_', ' ')}: idle tick {_times(part['idle_tick_ms'])}"
        yield f"{part['promoted_messages']:,} due ones promoted in {part['promoted_in_seconds']:g} s"
    costs = clock["us_a_due_batch_by_waiting"].items()
    yield "µs per due batch: " + ", ".join(f"{cost:g} with {int(waiting):,} waiting" for waiting, cost in costs)


def _doors(result: dict[str, Any]) -> Iterator[str]:
    doors = result["doors"]
    yield f"{doors['empty_handler']['calls_a_second']:,} calls/s of an empty handler"
    for name, of in doors.items():
        if "calls" in of:
            yield f"{name}: {of['accepted_a_second']:,}/s accepted, {of['delivered_a_second']:,}/s delivered"
            yield f"{name}: answered at 1,000/s: {_times(of['answered_in_ms_at_1000_a_second'])}"
    large = doors["webex_large"]
    yield f"{large['recipients']:,} recipients in one call: p50 {large['answered_in_ms']['p50']} ms"


def _campaign(result: dict[str, Any]) -> Iterator[str]:
    found = result["campaign"]
    yield (
        f"{found['rows']:,} rows loaded in {found['loaded_in_seconds']:g} s, checked and quoted in "
        f"{found['checked_in_seconds']:g} s, at most {found['memory_mib']:,} MiB"
    )
    yield (
        f"{found['expanded_rows_a_second']:,} rows/s became messages, {found['handed_over_a_second']:,}/s handed over; "
        f"progress read: {_times(found['progress_in_ms'])}"
    )
    if pauses := found.get("pauses"):
        yield (
            f"{pauses['tries']} pauses with four carriers: last message after {_times(pauses['last_after_ms'])}, "
            f"later than 1 s: {pauses['later_than_1_s']}"
        )


def _cores(cores: dict[str, float]) -> str:
    return "cores at work: " + (", ".join(f"{name} {count:g}" for name, count in cores.items()) or "unknown")


def _times(times: dict[str, float]) -> str:
    return f"p50 {times['p50']:g}, p95 {times['p95']:g}, p99 {times['p99']:g} ms"
