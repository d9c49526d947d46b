"""`postroad webhook`: where customers are told what becomes of their messages."""

from datetime import datetime
from functools import partial
from typing import TypeVar
from uuid import UUID

import click

from pipeline.dialects.registry import DIALECTS
from pipeline.stages.api import webhook_deliveries, webhook_endpoints
from schema.vocabulary import DeliveryState
from workers.cli.terminal.opened import opened
from workers.cli.terminal.parameters import Since
from workers.cli.terminal.table_layout import as_json, table
from workers.webhooks.handshake import greet

T = TypeVar("T")

_HANDSHAKES = "Handshakes: " + "; ".join(
    f"{name}: {each.handshake.WELCOME}" for name, each in DIALECTS.items() if each.handshake
)


@click.group()
def webhook() -> None:
    """Webhooks: where customers are told what becomes of their messages. `postroad notifier` makes the calls."""


@webhook.command(epilog=_HANDSHAKES)
@click.argument("account")
@click.argument("url")
@click.option("--dialect", type=click.Choice(list(DIALECTS)), required=True, help="In whose words.")
@click.option("--event", "events", multiple=True, help="One it hears, in the dialect's words; all unless said.")
@click.option("--description", default="", help="For its owner.")
def create(account: str, url: str, dialect: str, events: tuple[str, ...], description: str) -> None:
    """Tell the account ACCOUNT at URL what becomes of its messages; the secret is shown this once.

    It is told of messages that came through its dialect's API, and of those that came through none. Where the dialect
    has a handshake, it is called first, and is created only if it answers as below.
    """
    with opened() as rt:
        owner = webhook_endpoints.account_of(rt, account)
        made, secret = webhook_endpoints.create(
            rt,
            owner,
            DIALECTS[dialect],
            url,
            events=events,
            description=description,
            greet=partial(greet, rt),
        )
    click.echo(f"webhook {made.id} created" + (", it answered its greeting" if DIALECTS[dialect].handshake else ""))
    _show(secret)


@webhook.command("list")
@click.argument("account", required=False)
@click.option("--json", "json_", is_flag=True, help="Print JSON.")
def list_(account: str | None, json_: bool) -> None:
    """List the webhooks of the account ACCOUNT, or everybody's."""
    with opened() as rt:
        rows = webhook_endpoints.list_all(rt, webhook_endpoints.account_of(rt, account) if account else None)
    if json_:
        click.echo(as_json(rows))
        return
    cells = [(row.id, row.dialect, row.url, row.events or "all", row.state, row.failing_since) for row in rows]
    click.echo(table(["webhook", "dialect", "url", "hears", "state", "failing since"], cells))


@webhook.command()
@click.argument("webhook_id", type=click.UUID)
def remove(webhook_id: UUID) -> None:
    """Take the webhook WEBHOOK_ID away; what it was still to be told is dropped."""
    with opened() as rt:
        _demand(webhook_endpoints.remove(rt, None, webhook_id) or None, webhook_id)
    click.echo(f"webhook {webhook_id} removed")


@webhook.command()
@click.argument("webhook_id", type=click.UUID)
def rotate(webhook_id: UUID) -> None:
    """Give the webhook WEBHOOK_ID a new secret, shown this once; for a day the old one is still good."""
    with opened() as rt:
        _, secret = _demand(webhook_endpoints.rotate_secret(rt, None, webhook_id), webhook_id)
    _show(secret)


@webhook.command()
@click.argument("webhook_id", type=click.UUID)
def resume(webhook_id: UUID) -> None:
    """Call the webhook WEBHOOK_ID again, at once for all that waits."""
    with opened() as rt:
        found = _demand(webhook_endpoints.resume(rt, None, webhook_id), webhook_id)
    click.echo(f"webhook {found.id} is {found.state}")


@webhook.command()
@click.argument("ids", nargs=-1, type=click.UUID)
@click.option("--webhook", "webhook_id", type=click.UUID, help="All calls of this webhook that ended …")
@click.option("--since", type=Since(), help="… since then: 2h, 3d, or 2026-12-24T18:00:00Z.")
@click.option("--dead", is_flag=True, help="Of these only what was given up.")
def replay(ids: tuple[UUID, ...], webhook_id: UUID | None, since: datetime | None, dead: bool) -> None:
    """Make calls again: those of the IDS (of calls, or of messages), or those of a webhook since a time."""
    if bool(ids) == bool(webhook_id and since):
        raise click.UsageError("say IDS of calls or messages, or --webhook and --since")
    with opened() as rt:
        if webhook_id and since:
            again = _demand(webhook_deliveries.replay_since(rt, None, webhook_id, since, only_dead=dead), webhook_id)
        else:
            again = webhook_deliveries.replay(rt, None, ids)
    click.echo(f"{again:,} calls will be made again")


@webhook.command()
@click.option("--webhook", "webhook_id", type=click.UUID, help="Of this webhook.")
@click.option("--message", type=click.UUID, help="About this message.")
@click.option("--state", type=click.Choice([each.value for each in DeliveryState]), help="In this state.")
@click.option("--json", "json_", is_flag=True, help="Print JSON.")
def deliveries(webhook_id: UUID | None, message: UUID | None, state: str | None, json_: bool) -> None:
    """List calls, the latest news first, and what their last try came to."""
    with opened() as rt:
        wanted = DeliveryState(state) if state else None
        rows = webhook_deliveries.list_calls(rt, endpoint=webhook_id, message=message, state=wanted)
    if json_:
        click.echo(as_json(rows))
        return
    columns = ["id", "message_id", "status", "at", "state", "tries", "answer", "due_at"]
    cells = [[row[each] if each != "due_at" or row["state"] == "waiting" else None for each in columns] for row in rows]
    click.echo(table(["call", "message", "tells", "at", "state", "tries", "answer", "next"], cells))


def _show(secret: str) -> None:
    click.echo(f"secret {secret}" if secret else "signed with the secret of the key that sent the message")


def _demand(found: T | None, webhook_id: UUID) -> T:
    """Return what was found; NobodyThere when nothing was."""
    if found is None:
        raise webhook_endpoints.EndpointUnreachable(
            f"there is no webhook {webhook_id}: `postroad webhook list` shows them"
        )
    return found
