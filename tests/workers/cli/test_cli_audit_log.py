"""`postroad audit-log`: which entries an operator's commands write, and how they are listed."""

import json
import os
import pwd
import socket
from typing import Any

import pytest

from tests.workers.cli.conftest import Shell
from tests.world import World


def entries(shell: Shell, *options: object) -> list[dict[str, Any]]:
    said = shell("audit-log", "--json", *options)
    assert said.code == 0, said.err
    found: list[dict[str, Any]] = json.loads(said.out)
    return found


def test_a_command_is_recorded_with_its_user_and_host(shell: Shell, world: World) -> None:
    assert shell("--as", "Anna Ito", "price", "set", "NG", "500", "--currency", "NGN").code == 0

    latest = entries(shell, "--table", "prices")[0]
    assert latest["action"] == "price set"
    assert latest["actor"] == pwd.getpwuid(os.getuid()).pw_name
    assert latest["origin"] == socket.gethostname()
    assert latest["claimed"] == "Anna Ito"
    assert entries(shell, "--by", "Anna Ito") == [latest]


def test_the_user_behind_sudo_is_recorded_as_claimed(
    shell: Shell, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SUDO_USER", "anna")

    shell("carrier", "drain", "alpha")

    assert entries(shell)[0]["claimed"] == "anna"


def test_the_list_shows_each_change_in_one_line(shell: Shell, world: World) -> None:
    shell("carrier", "drain", "alpha", "--reason", "works tonight")

    said = shell("audit-log", "--limit", "1")

    assert "carrier drain" in said.out
    assert "state active → drained" in said.out


def test_recipients_numbers_are_masked_in_the_list(shell: Shell, world: World) -> None:
    shell("optout", "add", "+2348012345678")

    for options in ([], ["--json"]):
        assert "+2348012345678" not in shell("audit-log", *options).out
        assert "+2348*******78" in shell("audit-log", *options).out


@pytest.mark.parametrize("name", ["", "x" * 201, "a\nb"])
def test_an_invalid_value_of_the_option_as_is_a_usage_error(shell: Shell, name: str) -> None:
    said = shell("--as", name, "audit-log")

    assert said.code == 2
    assert "--as" in said.err


def test_an_unknown_account_is_reported(shell: Shell) -> None:
    said = shell("audit-log", "--account", "none")

    assert said.code == 1
    assert "none" in said.err
