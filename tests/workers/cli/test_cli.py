"""The `postroad` command: its help, and its errors for wrong settings, servers and ports."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import make_url

from pipeline.settings import Settings
from tests.workers.cli.conftest import Shell
from tests.world import World
from workers.cli.command import COMMANDS
from workers.cli.terminal.faults import explain
from workers.cli.terminal.table_layout import pairs, table

HEAVY = ("celery", "kombu", "sqlalchemy", "psycopg", "pydantic", "aiohttp", "alembic")


def test_help_names_every_command_and_imports_none(bare_shell: Shell) -> None:
    code = "import sys; from workers.cli.command import run; run(['--help']); print(sorted(sys.modules))"

    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30)

    for name, (_, words) in COMMANDS.items():
        assert f"  {name}" in said.stdout
        assert words.split()[0] in said.stdout
    loaded = said.stdout.splitlines()[-1]
    assert not [name for name in HEAVY if f"'{name}'" in loaded]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_that_says_how_to_use_it(bare_shell: Shell, name: str) -> None:
    said = bare_shell(name, "--help")

    assert said.code == 0
    assert said.out.startswith(f"Usage: postroad {name}")
    assert len(said.out.splitlines()) > 5


def test_an_unknown_command_is_a_usage_error(bare_shell: Shell) -> None:
    said = bare_shell("sned")

    assert said.code == 2
    assert "No such command 'sned'" in said.err


READING = [("status",), ("audit",), ("show", "01a2004f-8da7-754d-9fbc-45c4ee2f070d"), ("account", "list"), ("migrate",)]
SENDING = ("send", "--to", "+2348012345678", "--text", "hello")

UNFIT = {
    "nothing set, nothing running": ({}, "DATABASE_URL is not set and no embedded server runs here"),
    "another database": ({"DATABASE_URL": "mysql://root@localhost/x"}, "DATABASE_URL is for mysql"),
    "no URL at all": ({"DATABASE_URL": "::::"}, "DATABASE_URL cannot be read"),
    "a number that is none": ({"GATEWAY_PORT": "many"}, "gateway_port"),
    "a number out of bounds": ({"BATCH_SIZE": "0"}, "batch_size"),
}


@pytest.mark.parametrize(("environment", "words"), UNFIT.values(), ids=UNFIT.keys())
def test_an_invalid_setting_is_reported_in_one_line(bare_shell: Shell, environment: dict[str, str], words: str) -> None:
    bare_shell.set(**environment)

    for command in READING:
        said = bare_shell(*command)

        assert (said.code, said.out) == (2, "")
        assert words in said.err
        assert len(said.err.splitlines()) == 1


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("", "BROKER_URL is not set and no embedded server runs here"),
        ("kafka://localhost", "BROKER_URL has the scheme kafka"),
        ("redis://localhost:port/0", "BROKER_URL cannot be parsed"),
    ],
)
def test_an_invalid_broker_url_is_reported(bare_shell: Shell, url: str, words: str) -> None:
    bare_shell.set(BROKER_URL=url)

    said = bare_shell(*SENDING)

    assert (said.code, said.out) == (2, "")
    assert words in said.err


def test_an_unreachable_database_is_reported_in_one_line(bare_shell: Shell) -> None:
    bare_shell.set(DATABASE_URL=f"postgresql://postroad:secret@127.0.0.1:{free_port()}/x")

    for command in READING:
        said = bare_shell(*command)

        assert (said.code, said.out) == (3, "")
        assert "the database does not answer" in said.err
        assert "Connection refused" in said.err
        assert "secret" not in said.err
        assert len(said.err.splitlines()) == 1


def test_a_wrong_database_password_is_reported(bare_shell: Shell, settings: Settings) -> None:
    url = make_url(settings.database_url.get_secret_value()).set(password="wrong")
    bare_shell.set(DATABASE_URL=url.render_as_string(hide_password=False))

    said = bare_shell("status")

    assert said.code == 3
    assert "password authentication failed" in said.err


def test_send_reports_an_unreachable_broker_in_one_line(bare_shell: Shell) -> None:
    bare_shell.set(BROKER_URL=f"redis://:secret@127.0.0.1:{free_port()}/0")

    said = bare_shell(*SENDING)

    assert (said.code, said.out) == (3, "")
    assert "the broker does not answer" in said.err
    assert "secret" not in said.err
    assert len(said.err.splitlines()) == 1


def test_an_empty_database_is_reported_and_migrated_on_request(shell: Shell, world: World) -> None:
    world.run("DROP SCHEMA public CASCADE")
    world.run("CREATE SCHEMA public")

    said = shell("status")
    checked = shell("migrate", "--check")
    migrated = shell("migrate")

    assert (said.code, checked.code) == (1, 1)
    assert "run `postroad migrate`" in said.err
    assert migrated.out.startswith("migrated from nothing to ")
    assert [shell("migrate", "--check").code, shell("migrate").code] == [0, 0]
    assert shell("status").out.startswith("no messages\n")


def test_up_refuses_an_invalid_log_level(bare_shell: Shell, tmp_path: Path) -> None:
    bare_shell.set(LOG_LEVEL="loud")

    said = bare_shell("up")

    assert (said.code, said.out) == (2, "")
    assert "POSTROAD_LOG_LEVEL is LOUD; it must be one of DEBUG," in said.err
    assert not (tmp_path / ".postroad").exists()


def test_up_names_the_setting_of_a_port_that_is_taken(bare_shell: Shell) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        names = {"GATEWAY_PORT", "CONSOLE_PORT", "SIMULATOR_PORT", "SIMULATOR_SMPP_PORT", "FLOWER_PORT"}
        for name in names:
            others = names - {name}
            bare_shell.set(**{name: str(port)}, **{each: str(free_port()) for each in others})

            said = bare_shell("up")

            assert (said.code, said.out) == (2, "")
            assert f"port {port} (POSTROAD_{name})" in said.err


def test_a_port_that_is_taken_stops_the_simulator_and_the_gateway(shell: Shell) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        shell.set(GATEWAY_PORT=port)

        simulator, gateway = shell("simulator", "--port", port), shell("gateway")

    assert (simulator.code, gateway.code) == (2, 2)
    assert f"cannot listen on 127.0.0.1:{port}" in simulator.err
    assert "POSTROAD_GATEWAY_PORT" in gateway.err


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--carrier", "a={nix"], "--carrier a: the script is not JSON"),
        (["--carrier", 'a={"refuse": 2}'], "carrier a: script: rates add up to 2"),
        (["--carrier", 'a={"explode": 0.1}'], "carrier a: script: explode must be one of"),
        (["--config", "/no/such/file.json"], "/no/such/file.json: No such file"),
    ],
)
def test_an_invalid_script_stops_the_simulator(bare_shell: Shell, options: list[str], words: str) -> None:
    said = bare_shell("simulator", "--port", "0", *options)

    assert said.code == 2
    assert words in said.err


def test_an_unexpected_error_is_reported_in_one_line_without_its_message() -> None:
    words, code = explain(KeyError("+2348012345678"))

    assert code == 1
    assert words.startswith("unexpected error: KeyError")
    assert "234" not in words


def test_a_closed_pipe_at_stdout_is_no_error(shell: Shell) -> None:
    code = "import sys; from workers.cli.command import main; sys.argv[1:] = ['account', '--help']; main()"
    reader, writer = os.pipe()
    os.close(reader)

    said = subprocess.run([sys.executable, "-c", code], check=False, stdout=writer, stderr=subprocess.PIPE, timeout=30)

    os.close(writer)
    assert said.stderr == b""


def test_a_table_aligns_numbers_right_and_text_left() -> None:
    shown = table(["word", "number"], [("a", 1234), ("longer", 5)])

    assert shown.splitlines() == ["word    number", "──────  ──────", "a        1,234", "longer       5"]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


def test_control_characters_in_stored_text_are_escaped_on_the_terminal() -> None:
    written = "Hi\x1b[2J\x1b]0;x\x07\r\nstatus  delivered\u202e\x9b1m"
    spelt = r"Hi\x1b[2J\x1b]0;x\x07\r\nstatus  delivered\u202e\x9b1m"

    assert pairs({"text": written}) == f"text  {spelt}"
    assert spelt in table(["text"], [[[written]]])
    assert pairs({"text": "Grüße, 您好 💥"}) == "text  Grüße, 您好 💥"
