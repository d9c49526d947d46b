"""`postroad send`: submits one order from the command line."""

from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, TextIO
from uuid import UUID, uuid4

import click

from pipeline.errors import DatabaseFault
from pipeline.settings import Settings
from pipeline.stages.admin import operator_reports
from pipeline.stages.admin.order_preview import Preview
from pipeline.stages.admin.repeated_orders import KeyHolder, holder, is_alike
from pipeline.stages.admin.sandbox import ACCOUNT, SENDER
from pipeline.stages.admit import admit
from schema.message import Refusal
from schema.message_class import MessageClass
from schema.order import Order
from schema.order_reader import read
from workers.cli.terminal.message_view import message_lines
from workers.cli.terminal.opened import opened
from workers.cli.terminal.parameters import Country, Field, FromNow, Moment
from workers.cli.terminal.producer_key import key_for
from workers.cli.terminal.table_layout import as_json
from workers.cli.terminal.waiting import wait
from workers.producer import producer, submit
from workers.server_urls import broker_url, with_local_servers

#: seconds without any change after which `--wait` gives up
TIMEOUT = 30.0
_TIMES = ("send_at", "valid_until")

_EPILOG = """
\b
Examples:
  postroad send --to +2348031234567 --text 'Your ride arrives at 9.' --wait
  postroad send --to +447400123456 --to +4915112345678 --text 'Hello ${name}' --field name=Ada --send-at +5m
  postroad send --order order.json        a whole order as JSON; - reads it from stdin
"""


@click.command(epilog=_EPILOG)
@click.option("--to", multiple=True, metavar="NUMBER", help="A recipient, as +COUNTRY NUMBER. May be repeated.")
@click.option("--country", type=Country(), help="Country of numbers without a plus, such as NG.")
@click.option("--text", help="The text; ${name} is filled from --field.")
@click.option("--template", help="One of the account's templates instead of --text.")
@click.option("--field", "fields", multiple=True, type=Field(), help="A merge field. May be repeated.")
@click.option("--from", "sender", help=f"The sender id; {SENDER} on account {ACCOUNT}.")
@click.option(
    "--account", default=ACCOUNT, show_default=True, envvar="POSTROAD_ACCOUNT", help="The account that is charged."
)
@click.option(
    "--class",
    "class_",
    type=click.Choice([each.value for each in MessageClass]),
    default=MessageClass.TRANSACTIONAL.value,
    show_default=True,
    help="The message class; otp has a fast queue of its own.",
)
@click.option("--send-at", type=Moment(), help="Earliest time to send: ISO 8601 with a zone, or +30s, +5m, +2h, +1d.")
@click.option("--valid-until", type=Moment(), help="Latest time to send; same format.")
@click.option("--key", help="Idempotency key: the same key on the same account is the same order.")
@click.option("--test", is_flag=True, help="Send to the simulated carrier, free of charge.")
@click.option("--order", type=click.File("r"), help="A whole order as JSON instead; see schema/order.py.")
@click.option("--wait", "waits", is_flag=True, help="Wait until it has left the queue, and show the result.")
@click.option("--json", "json_", is_flag=True, help="Print JSON.")
def send(order: TextIO | None, waits: bool, json_: bool, **given: Any) -> int:
    """Send a text to one or more numbers; print the request's id, for `postroad show`.

    The same order with the same --key is not sent again: the earlier request's id is printed, and its times apply if
    the new ones are relative to now (+5m).

    Exit codes: 0 submitted (with --wait: sent); 1 refused, another order has the --key, or failed with --wait; 2 the
    order is invalid; 3 the broker is unreachable, nothing was submitted.
    """
    wanted = read_order(order.read() if order else _spell(given))
    settings = with_local_servers()
    before = _holder(settings, wanted, at_any_time=any(isinstance(given[name], FromNow) for name in _TIMES))
    if before and before.is_another:
        click.echo(f"another order was sent under the key {wanted.idempotency_key!r}: this one was not", err=True)
        return 1
    if before:
        click.echo(f"this order was sent under the key {wanted.idempotency_key!r} before", err=True)
        request = before.request
    else:
        request = submit(wanted, app=producer(broker_url(settings)), key=key_for(settings, wanted.account))
    if waits:
        return _follow(settings, request, json_)
    click.echo(as_json({"request": request}) if json_ else f"request {request}\npostroad show {request}")
    return 0


def _holder(settings: Settings, order: Order, *, at_any_time: bool) -> KeyHolder | None:
    """Return the request that has the order's key, if the database is reachable; the order's result shows it too.

    `at_any_time`: the order's times are relative to now, and differ each time the command runs.
    """
    if not order.idempotency_key or not settings.database_url.get_secret_value():
        return None
    with suppress(DatabaseFault), opened(settings) as rt:
        found = holder(rt, order)
        if found and found.is_another:
            [admission] = admit(rt, [(uuid4(), order)])
            return replace(found, is_another=not is_alike(rt, admission, found.request, at_any_time=at_any_time))
        return found
    return None


def read_order(given: str | dict[str, Any]) -> Order:
    """Return the order; a usage error names every invalid field."""
    found = read(given)
    if isinstance(found, Order):
        return found
    raise click.UsageError("the order is invalid:\n" + "\n".join(f"  {_words(each)}" for each in found[:20]))


def check_sender(account: str, sender: str | None) -> str:
    """Return the sender to use; a usage error if it is missing for an account other than the sandbox."""
    if sender is None and account != ACCOUNT:
        raise click.UsageError(f"give --from: a sender id registered on the account {account!r}")
    return sender or SENDER


def _spell(given: dict[str, Any]) -> dict[str, Any]:
    if not given["to"]:
        raise click.UsageError("give --to: the recipient")
    if (given["text"] is None) == (given["template"] is None):
        raise click.UsageError("give exactly one of --text and --template")
    preview = Preview(given["text"] or "")
    fields = preview.spell(dict(given["fields"]))
    if missing := [name for name in preview.names if name not in fields]:
        raise click.UsageError(f"the text needs these merge fields: {', '.join(missing)}; give them by --field")
    order = {
        "account": given["account"],
        "sender": check_sender(given["account"], given["sender"]),
        "body": given["text"],
        "template": given["template"],
        "merge": fields,
        "country": given["country"],
        "recipients": [{"to": number} for number in given["to"]],
        "class": given["class_"],
        "send_at": given["send_at"],
        "valid_until": given["valid_until"],
        "idempotency_key": given["key"],
        "test": given["test"],
        "submitted_at": datetime.now(UTC),
    }
    return {name: value for name, value in order.items() if value is not None}


def _words(fault: Refusal) -> str:
    return f"{fault.field}: {fault.message}" if fault.field else fault.message


def _follow(settings: Settings, request: UUID, json_: bool) -> int:
    with opened(settings) as rt:
        waited = wait(rt, request, timeout=TIMEOUT)
        found = operator_reports.report_of(rt, request)
    if found is None:
        click.echo(f"request {request}: no worker has read it in {TIMEOUT:g} s. Are the workers running?", err=True)
        return 1
    click.echo(as_json(found) if json_ else message_lines(found))
    if waited.is_unfinished:
        click.echo(f"still queued after {TIMEOUT:g} s without a change; `postroad status` shows why", err=True)
    bad = waited.statuses.keys() & {"refused", "failed", "rejected"}
    return 1 if bad or waited.is_unfinished else 0
