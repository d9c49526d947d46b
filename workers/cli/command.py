"""The `postroad` command: imports a subcommand when it is called, and prints errors in one line.

Exit codes, the same for every subcommand:

    0  fine
    1  something failed, is broken, was not found, or came too late
    2  the command line, a file or a setting is invalid; nothing was done
    3  the database or the broker is unreachable; try again
    130  interrupted
"""

import importlib
import importlib.util
import os
import signal
import sys
from collections.abc import Mapping, Sequence

import click

from pipeline.errors import ConfigurationError, DatabaseFault, PostroadError
from workers.gc_freeze import paused

#: subcommand → its module below workers/cli/commands, and its summary
COMMANDS: dict[str, tuple[str, str]] = {
    "up": ("up", "Start everything on this machine; stop with Ctrl-C."),
    "demo": ("demo", "Send a few thousand messages through simulated carriers, on temporary servers; under a minute."),
    "send": ("send", "Send a text to one or more numbers."),
    "campaign": ("campaign", "Campaigns: create, check, approve, send a text to everyone in a file."),
    "show": ("show", "Show the history of a message, or the result of a request."),
    "find": ("find", "Find messages by number or correlation id."),
    "explain": ("explain", "Explain the routing of a message, past or future."),
    "cancel": ("cancel", "Cancel scheduled messages."),
    "status": ("status", "Show the state of messages, carriers, queues and money."),
    "health": ("health", "Tell whether a process of this host does its work."),
    "audit": ("audit", "Check that no message was lost, doubled or charged twice."),
    "audit-log": ("audit_log", "List changes of configuration and control: who, from where, what, before and after."),
    "account": ("admin.account", "Accounts: create, list, suspend, resume."),
    "wallet": ("admin.wallet", "Wallets: an account's money, credit and monthly quota."),
    "sender": ("admin.sender", "Sender ids that an account may use."),
    "template": ("admin.template", "Templates: reusable texts of an account."),
    "key": ("admin.key", "API keys: create, rotate, list, revoke."),
    "user": ("admin.user", "Users of the console: create, roles, disable, one-time links."),
    "producer": ("admin.producer", "Producer keys: encrypt and authenticate orders in the broker."),
    "secret": ("admin.secret", "Rotate the secret key without downtime."),
    "webhook": ("admin.webhook", "Webhooks: endpoints that get customers' message events."),
    "carrier": ("admin.carrier", "Carriers: add, set, list, status, drain, resume."),
    "route": ("admin.route", "Routes: which carrier serves which destination."),
    "network": ("admin.network", "Networks: number prefixes by MCC-MNC, for routes."),
    "inbound": ("admin.inbound", "Mobile-originated (MO) messages and the actions taken."),
    "optout": ("admin.optout", "Opt-outs: numbers that must not get messages."),
    "keyword": ("admin.keyword", "Keywords: actions and replies for STOP, HELP and an account's own words."),
    "broker": ("admin.broker", "The broker: dead letters."),
    "quiet": ("admin.quiet", "Quiet hours: when recipients get no messages, in their local time."),
    "price": ("admin.price", "Prices per segment, by destination."),
    "person": ("admin.person", "Persons: an account's own customers, for APIs that name them instead of numbers."),
    "migrate": ("migrate", "Migrate the database to this version's schema."),
    "console": ("console", "Serve the web console for operators and accounts' users."),
    "gateway": ("gateway", "Serve HTTP: the vendors' APIs and the carriers' receipt endpoint."),
    "celery": ("celery", "Start a Celery worker or beat."),
    "carriers": ("carriers", "Run the carrier workers."),
    "notifier": ("notifier", "Call customers' webhooks."),
    "metrics": ("metrics", "Serve metrics for Prometheus."),
    "simulator": ("simulator", "Simulate carriers to test against."),
    "bench": ("bench", "Measure this machine's throughput and latency."),
}


class Lazy(click.Group):
    """A group whose subcommands are imported when one of them is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the subcommands whose modules exist."""
        return [name for name in COMMANDS if _exists(name)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a subcommand, or None if there is none of that name."""
        if cmd_name not in COMMANDS or not _exists(cmd_name):
            return None
        with paused():
            module = importlib.import_module(_module(cmd_name))
        command = getattr(module, cmd_name.replace("-", "_"))
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of subcommands from the table above, without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, words) for name, (_, words) in COMMANDS.items() if _exists(name)])


def _a_line(_context: click.Context, _parameter: click.Parameter, value: str | None) -> str | None:
    """Return the value; a usage error if it is empty, long, or has characters that no name has."""
    if value is not None and not (0 < len(value) <= 200 and value.isprintable()):
        raise click.BadParameter("write a name of at most 200 printable characters")
    return value


@click.group(cls=Lazy, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="postroad", message="%(version)s")
@click.option(
    "--as", "claimed", callback=_a_line, help="On whose behalf: recorded in the audit log as a claim, proves nothing."
)
def postroad(claimed: str | None) -> None:
    """Send SMS by the batch.

    \b
    New here?   postroad demo      see messages delivered
                postroad up        start everything, then in a second terminal:
                postroad send --to +2348031234567 --text 'Your ride arrives at 9.' --wait

    Settings come from the environment as POSTROAD_NAME; DATABASE_URL and BROKER_URL work too. Without these two,
    commands use the servers that `postroad up` runs here.

    Exit codes: 0 success, 1 failure, 2 wrong usage, 3 the database or the broker is unreachable.
    """


def main() -> None:
    """Run the command in this process's arguments, then exit."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run a command; return its exit code. An error is one line on stderr, never a traceback."""
    try:
        code = postroad.main(list(arguments), prog_name="postroad", standalone_mode=False)
        sys.stdout.flush()
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        return 128 + signal.SIGINT
    except BrokenPipeError:  # the reader closed the pipe
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except Exception as error:  # noqa: BLE001 - instead of a traceback
        return _print_error(error, os.environ)
    return code if isinstance(code, int) else 0


def _print_error(error: Exception, environment: Mapping[str, str]) -> int:
    if environment.get("POSTROAD_TRACEBACK"):
        raise error
    if isinstance(error, PostroadError) and not isinstance(error, DatabaseFault):
        words, code = str(error), 2 if isinstance(error, ConfigurationError) else 1
    else:  # imported only here: it imports kombu and redis
        words, code = importlib.import_module("workers.cli.terminal.faults").explain(error)
    click.echo(f"postroad: {words}", err=True)
    return code


def _module(name: str) -> str:
    module, _ = COMMANDS[name]
    return f"workers.cli.commands.{module}"


def _exists(name: str) -> bool:
    return importlib.util.find_spec(_module(name)) is not None
