"""The `postroad` command: opens a subcommand's file when it is asked for, and says in one line what went wrong.

Exit codes, the same for every subcommand:

    0  fine
    1  something failed, is broken, is not there, or came too late
    2  the command line, a file or a setting does not fit; nothing was done
    3  the database or the broker is away; try again
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

#: subcommand → its file below workers/cli/commands, and what it does
COMMANDS: dict[str, tuple[str, str]] = {
    "up": ("up", "Start everything on this machine; stop with Ctrl-C."),
    "demo": ("demo", "Watch a few thousand messages travel, on servers of their own; under a minute."),
    "send": ("send", "Send a text to one or more numbers."),
    "campaign": ("campaign", "Send a text to everyone in a CSV file."),
    "show": ("show", "Tell the whole story of a message, or the answer to a request."),
    "explain": ("explain", "Tell why a message went by which carrier, or would."),
    "cancel": ("cancel", "Take scheduled messages back."),
    "status": ("status", "Show how everything stands: messages, carriers, queues, money."),
    "audit": ("audit", "Prove that nothing was lost, doubled or charged twice."),
    "account": ("admin.account", "Accounts: who may send."),
    "wallet": ("admin.wallet", "Wallets: an account's money, credit and monthly quota."),
    "sender": ("admin.sender", "Sender ids: the names under which an account may send."),
    "template": ("admin.template", "Templates: texts that an account sends again and again."),
    "key": ("admin.key", "Keys to the HTTP APIs: make, list, void."),
    "producer": ("admin.producer", "Producers' keys: for orders that nobody on the way can read or make."),
    "secret": ("admin.secret", "The secret key: replace it, with nothing void meanwhile."),
    "webhook": ("admin.webhook", "Webhooks: where customers are told what becomes of their messages."),
    "carrier": ("admin.carrier", "Carriers: add, set, list, status, drain, resume."),
    "route": ("admin.route", "Routes: which carrier serves which destination."),
    "network": ("admin.network", "Networks: whose numbers begin with which digits, for routes by MCC-MNC."),
    "inbound": ("admin.inbound", "Messages from handsets, and what was done about them."),
    "optout": ("admin.optout", "Opt-outs: numbers that want nothing."),
    "keyword": ("admin.keyword", "Keywords: what STOP, HELP and an account's own words do and answer."),
    "broker": ("admin.broker", "The broker: messages that could not be read."),
    "quiet": ("admin.quiet", "Quiet hours: when recipients are left alone, by the clock where they are."),
    "price": ("admin.price", "Prices: what a segment costs, by destination."),
    "person": ("admin.person", "Persons: an account's own customers, for APIs that name them instead of numbers."),
    "migrate": ("migrate", "Bring the database to the shape this version needs."),
    "gateway": ("gateway", "Serve HTTP: the vendors' APIs, and where carriers post their receipts."),
    "carriers": ("carriers", "Be the processes that give carriers their messages."),
    "notifier": ("notifier", "Call customers' webhooks: what became of their messages."),
    "simulator": ("simulator", "Play carriers to test against."),
    "bench": ("bench", "Measure how many messages a second this machine carries."),
}


class Lazy(click.Group):
    """A group whose subcommands are imported when one of them is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the subcommands whose files are there."""
        return [name for name in COMMANDS if _exists(name)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a subcommand, or None when there is none of that name."""
        if cmd_name not in COMMANDS or not _exists(cmd_name):
            return None
        command = getattr(importlib.import_module(_module(cmd_name)), cmd_name)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of subcommands from the table above: nothing is imported for it."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name][1]) for name in self.list_commands(ctx)])


@click.group(cls=Lazy, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="postroad", message="%(version)s")
def postroad() -> None:
    """Send SMS by the batch.

    \b
    New here?   postroad demo      watch messages travel
                postroad up        start everything, then in a second terminal:
                postroad send --to +2348031234567 --text 'Your ride arrives at 9.' --wait

    Settings come from the environment as POSTROAD_NAME; DATABASE_URL and BROKER_URL are known too. Without these two,
    commands find the servers that `postroad up` runs here.

    Exit codes: 0 fine, 1 something failed or is broken, 2 wrong use, 3 the database or the broker is away.
    """


def main() -> None:
    """Run the command of this process's arguments and end the process."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run a command; return its exit code. What went wrong is one line on stderr, never a traceback."""
    try:
        code = postroad.main(list(arguments), prog_name="postroad", standalone_mode=False)
        sys.stdout.flush()
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        return 128 + signal.SIGINT
    except BrokenPipeError:  # whoever read us has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except Exception as error:  # noqa: BLE001 - the last stop before a traceback
        return _tell(error, os.environ)
    return code if isinstance(code, int) else 0


def _tell(error: Exception, environment: Mapping[str, str]) -> int:
    if environment.get("POSTROAD_TRACEBACK"):
        raise error
    if isinstance(error, PostroadError) and not isinstance(error, DatabaseFault):
        words, code = str(error), 2 if isinstance(error, ConfigurationError) else 1
    else:  # what it was is told by heavier modules
        words, code = importlib.import_module("workers.cli.terminal.faults").explain(error)
    click.echo(f"postroad: {words}", err=True)
    return code


def _module(name: str) -> str:
    return f"workers.cli.commands.{COMMANDS[name][0]}"


def _exists(name: str) -> bool:
    return importlib.util.find_spec(_module(name)) is not None
