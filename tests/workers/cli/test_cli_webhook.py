"""`postroad webhook`: endpoints and their deliveries."""

import json
from typing import Any
from uuid import uuid4

import pytest

from tests.workers.cli.conftest import Shell
from tests.workers.webhooks.conftest import receiver
from tests.workers.webhooks.receiver import Receiver, echo, status
from tests.world import World

__all__ = ["receiver"]

URL = "https://hooks.example.org/sms"


@pytest.fixture
def shell(shell: Shell) -> Shell:
    """A shell that has a secret key."""
    shell.set(SECRET_KEY="a secret of these tests, long enough")
    return shell


def create(shell: Shell, *more: str) -> tuple[str, str]:
    """Create a webhook; return its id and secret."""
    said = shell("webhook", "create", "acme", URL, "--dialect", "robase", *more)
    assert said.code == 0, said.err
    first, second = said.out.splitlines()
    return first.split()[1], second.removeprefix("secret ")


def listed(shell: Shell, *command: str) -> list[dict[str, Any]]:
    said = shell("webhook", *command, "--json")
    assert said.code == 0, said.err
    return list(json.loads(said.out))


def test_a_webhook_is_created_listed_and_removed(world: World, shell: Shell) -> None:
    made, secret = create(shell, "--event", "sms.sent", "--description", "ours")

    [row] = listed(shell, "list", "acme")
    assert secret.startswith("whsec_")
    assert (row["id"], row["url"], row["events"], row["state"]) == (made, URL, ["sms.sent"], "active")
    assert "whsec" not in shell("webhook", "list", "--json").out
    assert URL in shell("webhook", "list").out
    assert shell("webhook", "remove", made).code == 0
    assert listed(shell, "list") == []


@pytest.mark.parametrize("dialect", ["solaris", "webex"])
def test_the_result_of_a_handshake_is_reported(world: World, shell: Shell, receiver: Receiver, dialect: str) -> None:
    shell.set(WEBHOOK_NETWORKS='["127.0.0.1/32"]')
    receiver.answers["/echo"] = echo
    receiver.answers["/nothing"] = status(404)

    good = shell("webhook", "create", "acme", receiver.url("/echo"), "--dialect", dialect)
    bad = shell("webhook", "create", "acme", receiver.url("/nothing"), "--dialect", dialect)

    first, second = good.out.splitlines()
    assert (good.code, first.split()[2:]) == (0, ["created,", "its", "handshake", "succeeded"])
    assert second.startswith("secret whsec_")
    assert (bad.code, bad.out) == (1, "")
    assert f"postroad: no webhook was made: {receiver.url('/nothing')} answered 404" in bad.err
    assert [row["id"] for row in listed(shell, "list", "acme")] == [first.split()[1]]


def test_a_webhook_secret_is_rotated_and_shown_once(world: World, shell: Shell) -> None:
    made, secret = create(shell)

    said = shell("webhook", "rotate", made)

    assert said.out.startswith("secret whsec_")
    assert secret not in said.out


def test_deliveries_are_listed_and_replayed(world: World, shell: Shell) -> None:
    made, _ = create(shell)
    message = world.send().messages[0]
    world.run("UPDATE webhook_deliveries SET state = 'dead', answer = '500', done_at = now()")

    [first, second] = listed(shell, "deliveries", "--message", str(message), "--state", "dead")
    by_call = shell("webhook", "replay", first["id"])
    by_message = shell("webhook", "replay", str(message))
    world.run("UPDATE webhook_deliveries SET state = 'dead', done_at = now()")
    by_time = shell("webhook", "replay", "--webhook", made, "--since", "1h", "--dead")

    assert {first["status"], second["status"]} == {"queued", "sent"}
    assert [each.out.split()[0] for each in (by_call, by_message, by_time)] == ["1", "1", "2"]
    assert "waiting" in shell("webhook", "deliveries", "--webhook", made).out


def test_a_suspended_webhook_is_resumed(world: World, shell: Shell) -> None:
    made, _ = create(shell)
    world.run("UPDATE webhook_endpoints SET state = 'suspended'")

    assert shell("webhook", "resume", made).out == f"webhook {made} is active\n"


@pytest.mark.parametrize(
    ("command", "code", "words"),
    [
        (("create", "acme", "http://example.org/", "--dialect", "robase"), 2, "https://"),
        (("create", "acme", "https://10.0.0.1/", "--dialect", "robase"), 2, "public Internet"),
        (("create", "nobody", URL, "--dialect", "robase"), 1, "no account"),
        (("create", "acme", URL, "--dialect", "esperanto"), 2, "esperanto"),
        (("rotate", str(uuid4())), 1, "no webhook"),
        (("remove", str(uuid4())), 1, "no webhook"),
        (("resume", str(uuid4())), 1, "no webhook"),
        (("replay",), 2, "IDS"),
        (("replay", "--webhook", str(uuid4()), "--since", "2h"), 1, "no webhook"),
        (("replay", "--webhook", str(uuid4()), "--since", "yesterday"), 2, "not a date-time"),
        (("replay", "--webhook", str(uuid4()), "--since", "2026-01-01T00:00:00"), 2, "time zone"),
    ],
)
def test_invalid_arguments_are_reported(
    world: World, shell: Shell, command: tuple[str, ...], code: int, words: str
) -> None:
    said = shell("webhook", *command)

    assert said.code == code
    assert words in said.err
