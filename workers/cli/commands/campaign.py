"""`postroad campaign`: a text to everyone in a CSV file."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import click

from pipeline.settings import Settings
from pipeline.stages.admin.preview import template_text
from pipeline.stages.admin.repeated_orders import in_conflict
from pipeline.stages.admin.sandbox import ACCOUNT, SENDER
from schema.message_class import MessageClass
from workers.campaign_file import PORTION, FilePortion, LineFault, portions
from workers.cli.commands.send import TIMEOUT, check_sender
from workers.cli.terminal.handover import HandoverResult, handover
from workers.cli.terminal.opened import opened
from workers.cli.terminal.parameters import Country, Field, Moment
from workers.cli.terminal.table_layout import as_json, progress, table
from workers.cli.terminal.waiting import Waited, wait
from workers.producer import producer
from workers.server_urls import broker_url, with_local_servers

#: bytes of the file read at once
_BLOCK = 1 << 16
#: broken lines that are told one by one
_REPORTED = 20

_EPILOG = """
\b
Example, people.csv:
  to,name,day
  +2348031234567,Ada,Monday
  +447400123456,Ben,Tuesday
postroad campaign send people.csv --text 'Hello ${name}, see you on ${day}.' --name spring --wait
"""


@click.group()
def campaign() -> None:
    """Send a text to everyone in a CSV file."""


@campaign.command(epilog=_EPILOG)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path))
@click.option("--text", help="The text; ${name} is filled from the column `name`, else from --field.")
@click.option("--template", help="One of the account's templates instead of --text.")
@click.option("--field", "fields", multiple=True, type=Field(), help="A merge field for everyone. May be repeated.")
@click.option("--from", "sender", help=f"The sender id the phone shows; {SENDER} on account {ACCOUNT}.")
@click.option("--account", default=ACCOUNT, show_default=True, envvar="POSTROAD_ACCOUNT", help="Who pays.")
@click.option(
    "--class",
    "class_",
    type=click.Choice([each.value for each in MessageClass]),
    default=MessageClass.BULK.value,
    show_default=True,
    help="What kind of message it is.",
)
@click.option("--send-at", type=Moment(), help="Not before: ISO 8601 with its zone, or +30s, +5m, +2h, +1d.")
@click.option("--valid-until", type=Moment(), help="Not after; written the same way.")
@click.option("--name", help="The campaign's name: sent again under the same name, nobody gets it twice.")
@click.option("--number-column", "column", help="The column of the numbers, if not to, phone, number or msisdn.")
@click.option("--country", type=Country(), help="Where numbers without a plus are dialled, such as NG.")
@click.option("--strict", is_flag=True, help="Send nothing when any line is broken.")
@click.option("--test", is_flag=True, help="To the simulated carrier, free of charge.")
@click.option(
    "--wait", "waits", is_flag=True, help="Wait until all have left the queue, and count what became of them."
)
@click.option("--json", "json_", is_flag=True, help="Print JSON.")
def send(file: Path, name: str | None, column: str | None, strict: bool, waits: bool, json_: bool, **asked: Any) -> int:
    """Send a text to everyone in FILE, a CSV file in UTF-8; - reads it from stdin.

    The first line names the columns, in small letters or capitals. The one called to, phone, number or msisdn holds the
    numbers, `country` (if there) the ISO code of the country in which a number without its plus is dialled,
    `correlation_id` your own word for each message; of the others those that the text names are merge fields. Comma,
    semicolon or tab.

    A line that is broken, or whose number is not plainly one, is reported and left out, the others go. Every 1,000
    lines become a request, whose id is printed; `postroad show ID` says what was refused. With --name a request is
    always the same 1,000 lines: mend broken ones in a file of their own, under another name.

    Exit codes: 0 sent, though lines may be broken; 1 other lines were sent under this --name, or with --wait: not all
    left the queue; 2 the file or an option does not fit, every line of it is broken, or one is with --strict: nothing
    was sent; 3 the broker is away.
    """
    if (asked["text"] is None) == (asked["template"] is None):
        raise click.UsageError("say exactly one of --text and --template")
    if strict and str(file) == "-":
        raise click.UsageError("--strict reads the file twice: it cannot be stdin")
    order = _common(asked)
    settings = with_local_servers()
    wanted = _Wanted(file, order, name, column, _text(settings, asked), settings.strict_numbers and not asked["test"])
    if strict and (faults := [fault for portion in wanted.read() for fault in portion.faults]):
        _report(faults)
        raise click.UsageError(f"{len(faults):,} broken lines: nothing was sent")
    sent = _send(settings, wanted)
    waited, late = _wait(settings, sent.requests) if waits else (None, [])
    if json_:
        click.echo(as_json(_summary(sent, waited)))
    else:
        _report(sent.faults)
        _tell(sent, waited)
    for words in _conflicts(sent, late, name):
        click.echo(words, err=True)
    if sent.conflict or late or (waited and waited.unfinished):
        return 1
    return 2 if sent.faults and not sent.requests else 0


def _common(asked: dict[str, Any]) -> dict[str, Any]:
    order = {
        "account": asked["account"],
        "sender": check_sender(asked["account"], asked["sender"]),
        "body": asked["text"],
        "template": asked["template"],
        "merge": dict(asked["fields"]),
        "country": asked["country"],
        "class": asked["class_"],
        "send_at": asked["send_at"],
        "valid_until": asked["valid_until"],
        "test": asked["test"],
        "submitted_at": datetime.now(UTC),
    }
    return {name: value for name, value in order.items() if value is not None}


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What is to be sent, and how its file is read."""

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


def _text(settings: Settings, asked: dict[str, Any]) -> str:
    """Return the text, the template's where one is named: its merge fields are the columns that count."""
    if asked["text"] is not None:
        return str(asked["text"])
    with opened(settings) as rt:
        return template_text(rt, asked["account"], asked["template"])


def _size(file: Path) -> int:
    """Return how many lines a file has, for the progress bar only."""
    if str(file) == "-":
        return 0
    with file.open("rb") as content:
        return sum(block.count(b"\n") for block in iter(lambda: content.read(1 << 20), b""))


def _conflicts(sent: HandoverResult, late: list[UUID], name: str | None) -> Iterator[str]:
    if sent.conflict:
        yield (
            f"portion {sent.conflict} (from the {(sent.conflict - 1) * PORTION + 1:,}. line on) is not what was sent "
            f"under the name {name!r} before: neither it nor what follows was sent. Send other lines under another name"
        )
    for request in late:
        yield f"request {request} was not taken: another has its portion of the name {name!r}"


def _send(settings: Settings, wanted: _Wanted) -> HandoverResult:
    """Enqueue the portions; those of a named campaign that were taken before are not handed over again."""
    app = producer(broker_url(settings))
    with handover(settings, app, wanted.name) as to, progress(_size(wanted.file), "sending") as bar:
        for portion in wanted.read():
            if not to.take(portion):
                break
            bar.update(portion.lines)
    return to.sent


def _wait(settings: Settings, sent: dict[UUID, int]) -> tuple[Waited, list[UUID]]:
    with opened(settings) as rt, progress(sum(sent.values()), "on their way") as bar:
        waited = wait(rt, list(sent), timeout=TIMEOUT, seen=lambda through: bar.update(through - bar.pos))
        return waited, in_conflict(rt, sent)


def _report(faults: list[LineFault]) -> None:
    for fault in faults[:_REPORTED]:
        click.echo(f"line {fault.line}: {fault.message}", err=True)
    if len(faults) > _REPORTED:
        click.echo(f"… and {len(faults) - _REPORTED:,} more broken lines; --json tells all", err=True)


def _summary(sent: HandoverResult, waited: Waited | None) -> dict[str, Any]:
    return {
        "lines": sent.lines,
        "recipients": sum(sent.requests.values()),
        "requests": [{"request": request, "recipients": recipients} for request, recipients in sent.requests.items()],
        "broken": sent.faults,
        **({"conflict": sent.conflict} if sent.conflict else {}),
        **({"statuses": waited.statuses, "unfinished": waited.unfinished} if waited else {}),
    }


def _tell(sent: HandoverResult, waited: Waited | None) -> None:
    click.echo(table(["request", "recipients"], list(sent.requests.items())))
    broken = f"; {len(sent.faults):,} broken lines were left out" if sent.faults else ""
    click.echo(f"\n{sum(sent.requests.values()):,} of {sent.lines:,} lines sent{broken}.")
    if waited:
        click.echo("\n" + table(["status", "messages"], sorted(waited.statuses.items())))
    if waited and waited.unfinished:
        click.echo(f"{len(waited.unfinished)} requests are not through; `postroad status` shows what waits", err=True)
