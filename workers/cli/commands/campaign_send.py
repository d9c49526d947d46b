"""`postroad campaign send`: sends a text to every number in a CSV file."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import click

from pipeline.settings import Settings
from pipeline.stages.admin.order_preview import template_text
from pipeline.stages.admin.repeated_orders import in_conflict
from workers.campaign_file import PORTION, FilePortion, LineFault, portions
from workers.cli.commands.send import TIMEOUT, check_sender
from workers.cli.terminal.campaign_options import file_lines, require_one_text, with_content
from workers.cli.terminal.handover import HandoverResult, handover
from workers.cli.terminal.opened import opened
from workers.cli.terminal.table_layout import as_json, progress, table
from workers.cli.terminal.waiting import Waited, wait
from workers.producer import producer
from workers.server_urls import broker_url, with_local_servers

#: bytes of the file read at once
_BLOCK = 1 << 16
#: malformed lines that are listed
_REPORTED = 20

_EPILOG = """
\b
Example, people.csv:
  to,name,day
  +2348031234567,Ada,Monday
  +447400123456,Ben,Tuesday
postroad campaign send people.csv --text 'Hello ${name}, see you on ${day}.' --name spring --wait
"""


@click.command(epilog=_EPILOG)
@with_content
@click.option("--name", help="The campaign's name: repeated under the same name, no recipient gets it twice.")
@click.option("--strict", is_flag=True, help="Send nothing if any line is malformed.")
@click.option("--wait", "waits", is_flag=True, help="Wait until all have left the queue, and count their statuses.")
@click.option("--json", "json_", is_flag=True, help="Print JSON.")
def send(file: Path, name: str | None, column: str | None, strict: bool, waits: bool, json_: bool, **given: Any) -> int:
    """Send a text to every number in FILE, a CSV file in UTF-8; - reads stdin.

    The first line names the columns, in any case. The column to, phone, number or msisdn holds the numbers, `country`
    (optional) the ISO code of the country of a number without a plus, `correlation_id` your own id of each message;
    other columns that the text names are merge fields. The delimiter is comma, semicolon or tab.

    A malformed line, or one with an invalid number, is reported and left out; the others are sent. Every 1,000 lines
    become a request, whose id is printed; `postroad show ID` shows what was refused. With --name a request is always
    the same 1,000 lines: correct malformed ones in another file, under another name.

    Exit codes: 0 sent, though lines may be malformed; 1 other lines were sent under this --name, or with --wait: not
    all left the queue; 2 the file or an option is invalid, all lines are malformed, or any with --strict: nothing was
    sent; 3 the broker is unreachable.
    """
    _check(file, strict, given)
    order = _common(given)
    settings = with_local_servers()
    wanted = _Wanted(file, order, name, column, _text(settings, given), settings.strict_numbers and not given["test"])
    if strict:
        _require_whole(wanted)
    sent = _send(settings, wanted)
    waited, late = _wait(settings, sent.requests) if waits else (None, [])
    if json_:
        click.echo(as_json(_summary(sent, waited)))
    else:
        _report(sent.faults)
        _print_result(sent, waited)
    for words in _conflicts(sent, late, name):
        click.echo(words, err=True)
    if sent.conflict or late or (waited and waited.unfinished):
        return 1
    return 2 if sent.faults and not sent.requests else 0


def _common(given: dict[str, Any]) -> dict[str, Any]:
    order = {
        "account": given["account"],
        "sender": check_sender(given["account"], given["sender"]),
        "body": given["text"],
        "template": given["template"],
        "merge": dict(given["fields"]),
        "country": given["country"],
        "class": given["class_"],
        "send_at": given["send_at"],
        "valid_until": given["valid_until"],
        "test": given["test"],
        "submitted_at": datetime.now(UTC),
    }
    return {name: value for name, value in order.items() if value is not None}


@dataclass(frozen=True, slots=True)
class _Wanted:
    """The campaign to send and how to read its file."""

    file: Path
    order: dict[str, Any]
    name: str | None
    column: str | None
    text: str
    strict_numbers: bool

    def read(self) -> Iterator[FilePortion]:
        """Yield the file's portions."""
        with click.open_file(str(self.file), "rb") as content:
            yield from portions(
                iter(lambda: content.read(_BLOCK), b""),
                self.order,
                name=self.name,
                column=self.column,
                text=self.text,
                strict_numbers=self.strict_numbers,
            )


def _text(settings: Settings, given: dict[str, Any]) -> str:
    """Return the text, or the template's text: its merge fields decide which columns are used."""
    if given["text"] is not None:
        return str(given["text"])
    with opened(settings) as rt:
        return template_text(rt, given["account"], given["template"])


def _conflicts(sent: HandoverResult, late: list[UUID], name: str | None) -> Iterator[str]:
    if sent.conflict:
        yield (
            f"portion {sent.conflict} (from line {(sent.conflict - 1) * PORTION + 1:,} on) differs from what was sent "
            f"under the name {name!r} before: neither it nor the rest was sent. Send other lines under another name"
        )
    for request in late:
        yield f"request {request} was not accepted: another request has its portion of the name {name!r}"


def _send(settings: Settings, wanted: _Wanted) -> HandoverResult:
    """Enqueue the portions, except those that a named campaign has sent before."""
    app = producer(broker_url(settings))
    with handover(settings, app, wanted.name) as to, progress(file_lines(wanted.file), "sending") as bar:
        for portion in wanted.read():
            if not to.take(portion):
                break
            bar.update(portion.lines)
    return to.sent


def _wait(settings: Settings, sent: dict[UUID, int]) -> tuple[Waited, list[UUID]]:
    with opened(settings) as rt, progress(sum(sent.values()), "waiting") as bar:
        waited = wait(rt, list(sent), timeout=TIMEOUT, seen=lambda through: bar.update(through - bar.pos))
        return waited, in_conflict(rt, sent)


def _report(faults: list[LineFault]) -> None:
    for fault in faults[:_REPORTED]:
        click.echo(f"line {fault.line}: {fault.message}", err=True)
    if len(faults) > _REPORTED:
        click.echo(f"… and {len(faults) - _REPORTED:,} more malformed lines; --json lists all", err=True)


def _summary(sent: HandoverResult, waited: Waited | None) -> dict[str, Any]:
    return {
        "lines": sent.lines,
        "recipients": sum(sent.requests.values()),
        "requests": [{"request": request, "recipients": recipients} for request, recipients in sent.requests.items()],
        "broken": sent.faults,
        **({"conflict": sent.conflict} if sent.conflict else {}),
        **({"statuses": waited.statuses, "unfinished": waited.unfinished} if waited else {}),
    }


def _print_result(sent: HandoverResult, waited: Waited | None) -> None:
    click.echo(table(["request", "recipients"], list(sent.requests.items())))
    broken = f"; {len(sent.faults):,} malformed lines were left out" if sent.faults else ""
    click.echo(f"\n{sum(sent.requests.values()):,} of {sent.lines:,} lines sent{broken}.")
    if waited:
        click.echo("\n" + table(["status", "messages"], sorted(waited.statuses.items())))
    if waited and waited.unfinished:
        click.echo(f"{len(waited.unfinished)} requests are not finished; `postroad status` shows what waits", err=True)


def _check(file: Path, strict: bool, given: Mapping[str, Any]) -> None:
    require_one_text(given)
    if strict and str(file) == "-":
        raise click.UsageError("--strict reads the file twice: it cannot be stdin")


def _require_whole(wanted: _Wanted) -> None:
    """Report the malformed lines of a file, and send nothing, when there are any."""
    if faults := [fault for portion in wanted.read() for fault in portion.faults]:
        _report(faults)
        raise click.UsageError(f"{len(faults):,} malformed lines: nothing was sent")
