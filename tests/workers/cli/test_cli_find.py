"""`postroad find`: messages by number or correlation id, for support."""

import json
from contextlib import closing

import pytest
from pydantic import SecretStr

from pipeline.runtime import Runtime
from pipeline.settings import Settings
from tests.stages.launched import Launched
from tests.workers.cli.conftest import Shell
from tests.world import World, message_ids
from workers.wiring import index_new

ADA = "+2348012345678"
SECRET = "a secret of these tests, long enough"


@pytest.fixture
def keyed(shell: Shell) -> Shell:
    shell.set(SECRET_KEY=SECRET)
    return shell


def test_support_finds_messages_by_number_and_correlation_id(keyed: Shell, world: World, settings: Settings) -> None:
    [first] = message_ids(world.send(recipients=[{"to": ADA, "correlation_id": "order-9"}]))
    campaign = Launched(world, [ADA])
    campaign.run()
    [second] = campaign.messages().values()
    early = keyed("find", "--to", ADA)
    with closing(Runtime(settings.model_copy(update={"secret_key": SecretStr(SECRET)}))) as rt:
        index_new(rt)

    said = keyed("find", "--to", "0801 234 5678", "--country", "ng")
    shown = json.loads(keyed("find", "--to", ADA, "--reveal", "--json", "--limit", 1).out)

    assert (early.code, early.out) == (1, "")
    assert "no message is indexed yet" in early.err
    assert said.code == 0, said.err
    header, _, *rows = said.out.splitlines()
    assert header.split() == [
        "accepted",
        "account",
        "number",
        "status",
        "error",
        "carrier",
        "campaign",
        "correlation",
        "id",
        "id",
    ]
    assert [row.split()[-1] for row in rows] == [str(second), str(first)]
    assert str(campaign.id) in rows[0]
    assert "+2348*******78" in rows[1]
    assert "order-9" in rows[1]
    assert "complete until" in said.err
    assert [(each["id"], each["phone"], each["status"]) for each in shown["messages"]] == [(str(second), ADA, "sent")]
    assert shown["is_more"]
    assert keyed("show", shown["messages"][0]["id"]).code == 0
    by_id = json.loads(keyed("find", "--correlation-id", "order-9", "--account", "acme", "--json").out)
    assert [each["id"] for each in by_id["messages"]] == [str(first)]
    for code, arguments in (
        (1, ("--to", "+2348011111111")),
        (2, ("--to", "12")),
        (2, ()),
        (1, ("--to", ADA, "--account", "x")),
    ):
        assert keyed("find", *arguments).code == code


def test_without_a_secret_key_it_says_what_to_set(shell: Shell, world: World) -> None:
    said = shell("find", "--correlation-id", "order-9")

    assert said.code == 2
    assert "POSTROAD_SECRET_KEY" in said.err
