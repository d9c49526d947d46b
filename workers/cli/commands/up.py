"""`postroad up`: runs everything on one machine, until told to stop."""

import sys
from collections.abc import Mapping
from pathlib import Path

import click
from pydantic import SecretStr

from pipeline.dialects import registry
from pipeline.errors import PostroadError
from pipeline.settings import Settings, settings
from pipeline.stages.admin.migrations import migrate
from pipeline.stages.admin.sandbox import ACCOUNT, SENDER, set_up_sandbox
from workers import generated_secrets
from workers.cli.terminal.opened import opened
from workers.cli.terminal.table_layout import pairs
from workers.lab.demo import demo_admin, demo_keys, demo_sandbox
from workers.lab.embedded import development
from workers.lab.embedded.data_folder import make_folder
from workers.lab.supervisor import local_processes
from workers.lab.supervisor.supervise import supervise
from workers.logs import set_up as log_set_up
from workers.running_servers import running

#: Flower's user by default
_FLOWER_USER = "postroad"


@click.command()
@click.option("--logs", is_flag=True, help="Write the processes' output to files under POSTROAD_HOME/logs.")
def up(logs: bool) -> int:
    """Start everything on this machine; stop with Ctrl-C.

    PostgreSQL and Valkey under ./.postroad (unless DATABASE_URL and BROKER_URL are set), the workers, the clock, a
    worker for each connected carrier, the gateway, the notifier, the console, Flower and the carrier simulator. The
    database is migrated to this version's schema, and a new one gets the account `demo` with the sender `Postroad` and
    two simulated carriers, `alpha` over SMPP and `beta` over HTTP, so that in a second terminal this works at once:

    \b
        postroad send --to +2348031234567 --text 'Your ride arrives at 9.' --wait

    No message reaches a real phone before you add a carrier (postroad carrier add --help).

    \b
    Ports: POSTROAD_GATEWAY_PORT (8080), POSTROAD_CONSOLE_PORT (8081), POSTROAD_FLOWER_PORT (5555),
    POSTROAD_SIMULATOR_PORT (8090), POSTROAD_SIMULATOR_SMPP_PORT (2775).
    Exit codes: 0 stopped when told to; 1 a process could not be kept alive; 2 a port is in use or a setting is invalid.
    """
    given = settings()
    log_set_up("up", "WARNING")
    make_folder(given.home.resolve(), None, 0o755)
    _require_alone(given)
    local_processes.check_ports(given)
    click.echo("Starting PostgreSQL and Valkey …" if _starts_servers(given) else "Using the configured servers …")
    with development.start(given) as servers:
        ready = _with_secrets(given, servers)
        played = demo_sandbox.scripts(ready.home)
        with opened(ready) as rt:
            before, after = migrate(rt, registry.rows())
            if before != after:
                click.echo(f"Database migrated from {before or 'nothing'} to {after}.")
            set_up_sandbox(rt, demo_sandbox.sandbox(ready, played))
            keys = demo_keys.ready(rt, ready.home)
            link = demo_admin.link(rt, ready)
        return supervise(
            local_processes.at_once(local_processes.processes(ready, played, ready.home / "simulator.jsonl")),
            timeouts=local_processes.ALL_AT_ONCE,
            logs=ready.home / "logs" if logs else None,
            when_up=lambda: _print_services(ready, servers, keys, link),
            watch=servers.watch().look,
        )


def _require_alone(given: Settings) -> None:
    found = running(given.home)
    if found:
        raise PostroadError(
            f"process {found.owner} runs the servers of {given.home}, most likely `postroad up` in another "
            "terminal; set POSTROAD_HOME to another folder for a second installation"
        )


def _starts_servers(given: Settings) -> bool:
    return not (given.database_url.get_secret_value() and given.broker_url.get_secret_value())


def _with_secrets(given: Settings, servers: development.EmbeddedServers) -> Settings:
    login = given.flower_basic_auth.get_secret_value()
    login = login or f"{_FLOWER_USER}:{generated_secrets.password(servers.home, 'flower')}"
    return given.model_copy(
        update={
            "home": servers.home,
            "database_url": SecretStr(servers.database_url),
            "broker_url": SecretStr(servers.broker_url),
            "flower_basic_auth": SecretStr(login),
            "secret_key": SecretStr(
                given.secret_key.get_secret_value() or generated_secrets.password(servers.home, "secret_key")
            ),
        }
    )


def _print_services(
    ready: Settings, servers: development.EmbeddedServers, keys: Mapping[str, demo_keys.Credentials], link: str
) -> None:
    """Print what runs where. Passwords and keys are printed to a terminal only; a log gets the names of their files."""
    user, _, password = ready.flower_basic_auth.get_secret_value().partition(":")
    kept_in = _short(servers.home / "kept.json")
    places = {
        "PostgreSQL": f"here, data in {_short(servers.home)}" if servers.postgres else "as configured",
        "Valkey": f"here, data in {_short(servers.home)}" if servers.valkey else "as configured",
        "gateway": f"{demo_sandbox.gateway_url(ready)}   carriers post receipts to /receipts/NAME",
        "console": (link + "   signs you in as admin, once, within the hour")
        if sys.stdout.isatty()
        else f"{ready.console_address}   `postroad user link admin` prints a link that signs you in",
        "Flower": f"http://127.0.0.1:{ready.flower_port}   user {user}, password "
        + (password if sys.stdout.isatty() else f"in {kept_in} or POSTROAD_FLOWER_BASIC_AUTH"),
        "metrics": f"http://127.0.0.1:{ready.metrics_port}/metrics",
        "simulator": f"http://127.0.0.1:{ready.simulator_port}, smpp://127.0.0.1:{ready.simulator_smpp_port}   "
        f"scripts in {_short(servers.home / 'simulator.json')}",
        "try it": f"postroad send --to +2348031234567 --text 'Your ride arrives at 9.' --wait   "
        f"(account {ACCOUNT}, sender {SENDER})",
        "look": "postroad status | postroad show ID | postroad audit",
        "stop": "Ctrl-C",
    }
    click.echo(f"\nPostroad is up.\n\n{pairs(places)}\n")
    _print_apis(ready, keys)


def _print_apis(ready: Settings, keys: Mapping[str, demo_keys.Credentials]) -> None:
    """Print the APIs' URLs, with a command for each that sends a test message."""
    url = demo_sandbox.gateway_url(ready)
    click.echo("The APIs, each with a test key of the account demo (its messages go to no real carrier):\n")
    if sys.stdout.isatty():
        for dialect, line in demo_keys.lines(url, keys).items():
            click.echo(f"  {url}/{dialect}\n    {line}\n")
    else:
        click.echo("".join(f"  {url}/{dialect}\n" for dialect in keys))
        click.echo(f"Their keys are in {_short(ready.home / demo_keys.FILE)}.\n")


def _short(path: Path) -> str:
    """Return the path relative to the working directory if it is below it."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)
