"""`postroad webhook`: customers' webhook endpoints and the calls to them."""

from datetime import datetime
from functools import partial
from typing import TypeVar
from uuid import UUID

import click

from pipeline.dialects.registry import DIALECTS
from pipeline.errors import NotFound
from pipeline.stages.api import webhook_deliveries, webhook_endpoints
from schema.vocabulary import DeliveryState
from workers.cli.terminal.opened import opened
from workers.cli.terminal.parameters import Since
from workers.cli.terminal.table_layout import as_json, table
from workers.webhooks.handshake import verify_endpoint

T = TypeVar("T")

_HANDSHAKES = "Handshakes: " + "; ".join(
    f"{name}: {each.handshake.CONFIRMATION}" for name, each in DIALECTS.items() if each.handshake
)


@click.group()
def webhook() -> None:
    """Webhooks: endpoints that get customers' message events. `postroad notifier` makes the calls."""


@webhook.command(epilog=_HANDSHAKES)
@click.argument("account")
@click.argument("url")
@click.option("--dialect", type=click.Choice(list(DIALECTS)), required=True, help="The vendor format of the calls.")
@click.option(
    "--event", "events", multiple=True, help="An event type to subscribe to, in the vendor's terms; by default all."
)
@click.option("--description", default="", help="A description, shown in lists.")
def create(account: str, url: str, dialect: str, events: tuple[str, ...], description: str) -> None:
    """Create a webhook of ACCOUNT at URL; its secret is shown this once.

    It gets events of messages sent through its dialect's API, and of orders by Celery or the command line. If the
    dialect has a handshake, URL is called first, and the webhook is created only if it answers as below.
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
            verify=partial(verify_endpoint, rt),
        )
    click.echo(f"webhook {made.id} created" + (", its handshake succeeded" if DIALECTS[dialect].handshake else ""))
    _show(secret)


@webhook.command("list")
@click.argument("account", required=False)
@click.option("--json", "json_", is_flag=True, help="Print JSON.")
def list_(account: str | None, json_: bool) -> None:
    """List the webhooks of ACCOUNT, or of all accounts."""
    with opened() as rt:
        rows = webhook_endpoints.list_all(rt, webhook_endpoints.account_of(rt, account) if account else None)
    if json_:
        click.echo(as_json(rows))
        return
    cells = [(row.id, row.dialect, row.url, row.events or "all", row.state, row.failing_since) for row in rows]
    click.echo(table(["webhook", "dialect", "url", "events", "state", "failing since"], cells))


@webhook.command()
@click.argument("webhook_id", type=click.UUID)
def remove(webhook_id: UUID) -> None:
    """Remove the webhook WEBHOOK_ID; its pending calls are dropped."""
    with opened() as rt:
        _demand(webhook_endpoints.remove(rt, None, webhook_id) or None, webhook_id)
    click.echo(f"webhook {webhook_id} removed")


@webhook.command()
@click.argument("webhook_id", type=click.UUID)
def rotate(webhook_id: UUID) -> None:
    """Give the webhook WEBHOOK_ID a new secret, shown this once; the old one stays valid for a day."""
    with opened() as rt:
        _, secret = _demand(webhook_endpoints.rotate_secret(rt, None, webhook_id), webhook_id)
    _show(secret)


@webhook.command()
@click.argument("webhook_id", type=click.UUID)
def resume(webhook_id: UUID) -> None:
    """Resume the webhook WEBHOOK_ID; its pending calls are made at once."""
    with opened() as rt:
        found = _demand(webhook_endpoints.resume(rt, None, webhook_id), webhook_id)
    click.echo(f"webhook {found.id} is {found.state}")


@webhook.command()
@click.argument("ids", nargs=-1, type=click.UUID)
@click.option("--webhook", "webhook_id", type=click.UUID, help="All calls of this webhook that ended since --since.")
@click.option("--since", type=Since(), help="2h, 3d, or 2026-12-24T18:00:00Z.")
@click.option("--dead", is_flag=True, help="Only calls that were given up.")
def replay(ids: tuple[UUID, ...], webhook_id: UUID | None, since: datetime | None, dead: bool) -> None:
    """Repeat calls: those of the IDS (of calls or messages), or those of a webhook since a time."""
    if bool(ids) == bool(webhook_id and since):
        raise click.UsageError("give IDS of calls or messages, or --webhook and --since")
    with opened() as rt:
        if webhook_id and since:
            again = _demand(webhook_deliveries.replay_since(rt, None, webhook_id, since, only_dead=dead), webhook_id)
        else:
            again = webhook_deliveries.replay(rt, None, ids)
    click.echo(f"{again:,} calls will be repeated")


@webhook.command()
@click.option("--webhook", "webhook_id", type=click.UUID, help="Of this webhook.")
@click.option("--message", type=click.UUID, help="About this message.")
@click.option("--state", type=click.Choice([each.value for each in DeliveryState]), help="In this state.")
@click.option("--json", "json_", is_flag=True, help="Print JSON.")
def deliveries(webhook_id: UUID | None, message: UUID | None, state: str | None, json_: bool) -> None:
    """List calls, the latest first, with the result of their last attempt."""
    with opened() as rt:
        wanted = DeliveryState(state) if state else None
        rows = webhook_deliveries.list_calls(rt, endpoint=webhook_id, message=message, state=wanted)
    if json_:
        click.echo(as_json(rows))
        return
    columns = ["id", "message_id", "status", "at", "state", "tries", "answer", "due_at"]
    cells = [[row[each] if each != "due_at" or row["state"] == "waiting" else None for each in columns] for row in rows]
    click.echo(table(["call", "message", "event", "at", "state", "attempts", "response", "next"], cells))


def _show(secret: str) -> None:
    click.echo(f"secret {secret}" if secret else "signed with the secret of the key that sent the message")


def _demand(found: T | None, webhook_id: UUID) -> T:
    """Return what was found; NotFound."""
    if found is None:
        raise NotFound(f"there is no webhook {webhook_id}; see `postroad webhook list`")
    return found
