"""`postroad user`: users are created with roles, helped with links, disabled; no secret is printed but a new link."""

import io
import json

import pytest

from tests.workers.cli.conftest import Shell

PASSWORD = "lemon tree at nine"


@pytest.fixture
def keyed(shell: Shell) -> Shell:
    shell.set(
        SECRET_KEY="a secret of these tests, long enough", PASSWORD_LOG_N="10", CONSOLE_URL="https://sms.example/"
    )
    shell("account", "create", "acme", "--currency", "NGN")
    return shell


def listed(shell: Shell) -> dict[str, dict[str, object]]:
    return {row["name"]: row for row in json.loads(shell("user", "list", "--json").out)}


def test_a_user_is_created_with_a_typed_password(keyed: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("click.termui.hidden_prompt_func", lambda _: PASSWORD)

    said = keyed("user", "create", "Ada", "--role", "support", "--role", "approver", "--account", "acme")

    assert (said.code, said.out) == (0, "user ada created\n")
    row = listed(keyed)["ada"]
    assert (row["account"], row["roles"], row["has_password"]) == ("acme", ["support", "approver"], True)
    assert "acme" in keyed("user", "list", "acme").out
    log = keyed("audit-log", "--json").out
    assert PASSWORD not in said.out + said.err + log
    assert '"user create"' in log


def test_a_password_is_read_from_the_input(keyed: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{PASSWORD}\nanother line\n"))
    assert keyed("user", "create", "ada", "--role", "viewer", "--password-stdin").code == 0
    monkeypatch.setattr("sys.stdin", io.StringIO("short\n"))

    said = keyed("user", "password", "ada", "--password-stdin")

    assert said.code == 2
    assert "at least 12 characters" in said.err


def test_a_link_is_printed_once_and_its_token_is_not_stored(keyed: Shell) -> None:
    made = keyed("user", "create", "ada", "--role", "admin", "--link")
    again = keyed("user", "link", "ADA")

    assert made.code == again.code == 0
    [*_, first] = made.out.split()
    assert first.startswith("https://sms.example/link?token=")
    assert again.out.strip() != first
    assert "can be used once, until" in again.err
    log = keyed("audit-log", "--json").out
    for line in (first, again.out.strip()):
        assert line.rpartition("=")[2] not in log
    assert not listed(keyed)["ada"]["has_password"]


def test_roles_are_changed_and_users_disabled_and_enabled(keyed: Shell) -> None:
    keyed("user", "create", "ada", "--role", "admin", "--link")

    outcomes = [
        keyed("user", "roles", "ada", "viewer", "finance"),
        keyed("user", "disable", "ada"),
        keyed("user", "end-sessions", "ada"),
    ]

    assert [each.code for each in outcomes] == [0, 0, 0]
    row = listed(keyed)["ada"]
    assert row["roles"] == ["viewer", "finance"]
    assert row["disabled_at"]
    refused = keyed("user", "link", "ada")
    assert (refused.code, "is disabled" in refused.err) == (1, True)
    assert keyed("user", "enable", "ada").code == 0
    assert listed(keyed)["ada"]["disabled_at"] is None


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("create", "ada", "--link"), 2, "Missing option '--role'"),
        (("create", "ada", "--role", "king", "--link"), 2, "'king' is not one of"),
        (("create", "a b", "--role", "viewer", "--link"), 2, "cannot be a user's name"),
        (("create", "ada", "--role", "viewer", "--account", "nix", "--link"), 1, "there is no account 'nix'"),
        (("disable", "nobody"), 1, "there is no user 'nobody'"),
        (("remove-totp", "nobody"), 1, "there is no user 'nobody'"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_line(keyed: Shell, arguments: tuple[str, ...], code: int, words: str) -> None:
    said = keyed("user", *arguments)

    assert said.code == code
    assert words in said.err
