"""`postroad user`: creates users of the console, sets their roles, and helps those who cannot sign in."""

import sys
from collections.abc import Collection

import click

from pipeline.runtime import Runtime
from pipeline.stages.users.login_links import make_link
from pipeline.stages.users.passwords import set_password
from pipeline.stages.users.totp import remove_totp
from pipeline.stages.users.user_sessions import end_all_sessions
from pipeline.stages.users.users import create_user, disable_user, enable_user, list_users, set_roles
from schema.vocabulary import LinkPurpose, Role
from workers.cli.terminal.opened import opened
from workers.cli.terminal.table_layout import as_json, table

_ROLE = click.Choice([role.value for role in Role])
_from_stdin = click.option(
    "--password-stdin", "from_stdin", is_flag=True, help="Read the password from the first line of the input."
)


@click.group()
def user() -> None:
    """Users of the console: who may see and do what there.

    \b
    viewer            sees messages, campaigns and carriers, numbers masked
    support           and reveals numbers, cancels and resends messages, opts out, replays webhooks
    campaign_manager  and makes, starts, pauses and ends campaigns, edits templates
    approver          and approves campaigns, sees money
    finance           and sees and changes money
    admin             everything

    A user of an account sees that account only, and changes neither its money nor anything of the installation.
    """


@user.command()
@click.argument("name")
@click.option("--account", help="The account that the user is limited to; otherwise all are seen.")
@click.option("--role", "roles", type=_ROLE, multiple=True, required=True, help="May be repeated.")
@click.option("--time-zone", help="In which pages show times, such as Africa/Lagos; otherwise the browser's.")
@_from_stdin
@click.option("--link", is_flag=True, help="Set no password: print a link by which the user sets one.")
def create(
    name: str, account: str | None, roles: tuple[str, ...], time_zone: str | None, from_stdin: bool, link: bool
) -> None:
    """Create the user NAME; asks for the password."""
    password = None if link else _password(from_stdin)
    with opened() as rt:
        made = create_user(rt, name, _roles(roles), account=account, password=password, time_zone=time_zone)
        click.echo(f"user {made.name} created")
        if link:
            _print_link(rt, made.name, LinkPurpose.SET_PASSWORD)


@user.command("list")
@click.argument("account", required=False)
@click.option("--json", "json_", is_flag=True, help="Print JSON.")
def list_(account: str | None, json_: bool) -> None:
    """List the users of ACCOUNT, or all."""
    with opened() as rt:
        found = list_users(rt, account)
    rows = [
        {
            "name": each.name,
            "account": each.account,
            "roles": [role.value for role in Role if role in each.roles],
            "has_password": each.has_password,
            "has_totp": each.has_totp,
            "sessions": each.sessions,
            "last_sign_in_at": each.last_sign_in_at,
            "created_at": each.created_at,
            "disabled_at": each.disabled_at,
        }
        for each in found
    ]
    if json_:
        click.echo(as_json(rows))
        return
    cells = [
        (
            row["name"],
            row["account"] or "all",
            row["roles"],
            "disabled" if row["disabled_at"] else "",
            "code" if row["has_totp"] else "",
            row["sessions"],
            row["last_sign_in_at"] or "",
        )
        for row in rows
    ]
    click.echo(table(["user", "account", "roles", "state", "second factor", "sessions", "last sign-in"], cells))


@user.command()
@click.argument("name")
@click.argument("roles", nargs=-1, required=True, type=_ROLE)
def roles(name: str, roles: tuple[str, ...]) -> None:
    """Give the user NAME these ROLES in place of the present ones; open sessions have them at once."""
    with opened() as rt:
        set_roles(rt, name, _roles(roles))
    click.echo(f"user {name}: {', '.join(roles)}")


@user.command()
@click.argument("name")
def disable(name: str) -> None:
    """Disable the user NAME: all sessions and links end at once. Users are never deleted: the audit log names them."""
    with opened() as rt:
        disable_user(rt, name)
    click.echo(f"user {name} is disabled")


@user.command()
@click.argument("name")
def enable(name: str) -> None:
    """Let the user NAME sign in again."""
    with opened() as rt:
        enable_user(rt, name)
    click.echo(f"user {name} may sign in")


@user.command("end-sessions")
@click.argument("name")
def end_sessions(name: str) -> None:
    """End all sessions of the user NAME."""
    with opened() as rt:
        ended = end_all_sessions(rt, name)
    click.echo(f"user {name}: {ended} sessions ended")


@user.command()
@click.argument("name")
@_from_stdin
def password(name: str, from_stdin: bool) -> None:
    """Set the password of the user NAME; asks for it. All sessions and links end."""
    typed = _password(from_stdin)
    with opened() as rt:
        set_password(rt, name, typed)
    click.echo(f"user {name} has a new password")


@user.command()
@click.argument("name")
@click.option("--password", "resets", is_flag=True, help="To set a new password, instead of only signing in.")
def link(name: str, resets: bool) -> None:
    """Print a one-time link by which the user NAME signs in; a second factor is asked for nevertheless.

    It holds for an hour, one to set a password for a day, and replaces an earlier one.
    """
    with opened() as rt:
        _print_link(rt, name, LinkPurpose.SET_PASSWORD if resets else LinkPurpose.SIGN_IN)


@user.command("remove-totp")
@click.argument("name")
def remove_totp_(name: str) -> None:
    """Remove the second factor of the user NAME, who has lost the app; the password alone suffices then."""
    with opened() as rt:
        remove_totp(rt, name)
    click.echo(f"user {name} has no second factor any more")


def _roles(words: Collection[str]) -> set[Role]:
    return {Role(word) for word in words}


def _password(from_stdin: bool) -> str:
    if not from_stdin:
        typed: str = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
        return typed
    return sys.stdin.readline().rstrip("\r\n")


def _print_link(rt: Runtime, name: str, purpose: LinkPurpose) -> None:
    made = make_link(rt, name, purpose)
    click.echo(f"{rt.settings.console_address}/link?token={made.token}")
    click.echo(f"It can be used once, until {made.expires_at:%Y-%m-%d %H:%M} UTC.", err=True)
