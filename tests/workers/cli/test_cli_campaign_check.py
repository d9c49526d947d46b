"""`postroad campaign check`: what a campaign would send and cost, before anything is sent."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from pipeline.stages.admin.compliance import opt_out
from pipeline.stages.admin.prices import set_price
from pipeline.stages.admin.wallets import grant
from tests.workers.cli.conftest import Shell
from tests.world import World

CHECK = ("campaign", "check", "--account", "acme", "--from", "ACME")


def people(folder: Path, *lines: str) -> Path:
    file = folder / "people.csv"
    file.write_text("\n".join(["to,name", *lines]) + "\n")
    return file


def found(shell: Shell, *arguments: object, code: int = 0) -> dict[str, Any]:
    said = shell(*CHECK, *arguments, "--json")
    assert said.code == code, said.err
    quote: dict[str, Any] = json.loads(said.out)
    return quote


def test_recipients_segments_and_cost_are_added_up_by_country(shell: Shell, world: World, tmp_path: Path) -> None:
    set_price(world.rt, "GB", None, 700, "acme")
    file = people(tmp_path, "+2348012345678,Ada", "+2348012345679,Ben", "+447400123456,Eve")

    quote = found(shell, file, "--text", "Hello ${name}" + "!" * 160)

    assert (quote["lines"], quote["recipients"], quote["segments"]) == (3, 3, 6)
    assert (quote["currency"], quote["amount"], quote["lacking"]) == ("NGN", 2 * 2 * 400 + 2 * 700, 0)
    assert quote["countries"]["GB"] == {"messages": 1, "segments": 2, "amount": 1400, "quota": 0}
    assert quote["carriers"] == {"alpha": {"messages": 3, "segments": 6, "amount": 3000, "quota": 0}}
    assert quote["encodings"]["GSM7"]["messages"] == 3


def test_a_check_writes_nothing(shell: Shell, world: World, tmp_path: Path) -> None:
    found(shell, people(tmp_path, "+2348012345678,Ada"), "--text", "Hello")

    for table in ("requests", "messages", "batches", "provider_attempts"):
        assert world.rows(f"SELECT count(*) FROM {table}") == [0]
    assert world.balance() == 1_000_000


def test_a_campaign_costs_what_its_check_said(shell: Shell, world: World, tmp_path: Path) -> None:
    grant(world.rt, "acme", 3, "test", datetime.now(UTC).date())
    numbers = [f"+23480123456{place:02}" for place in range(10)]
    file = people(tmp_path, *(f"{number},Zoë ☺" for number in numbers))
    text = "Hello ${name} " + "x" * 60

    quote = found(shell, file, "--text", text)
    world.pay(world.submit(world.order(*numbers, body=text.replace("${name}", "Zoë ☺"))))

    assert world.balance() == 1_000_000 - quote["amount"]
    assert world.rows("SELECT sum(segments), sum(quota) FROM messages") == [(quote["segments"], quote["quota"])]


def test_refused_malformed_and_repeated_recipients_are_reported_with_their_lines(
    shell: Shell, world: World, tmp_path: Path
) -> None:
    opt_out(world.rt, "acme", "+2348012345679")
    world.run("UPDATE prices SET destination = 'NG'")
    file = people(
        tmp_path, "+2348012345678,Ada", "+2348012345679,Ben", "nix,Eve", "+447911123456,Joe", "+2348012345678,Ada again"
    )

    quote = found(shell, file, "--text", "Hello ${name}", code=1)

    assert quote["recipients"] == 2
    assert quote["refused"] == {
        "opted_out": {"messages": 1, "lines": [3]},
        "no_price": {"messages": 1, "lines": [5]},
    }
    assert [fault["line"] for fault in quote["broken"]] == [4]
    assert quote["repeated"] == {"messages": 1, "lines": [6]}


def test_a_balance_that_does_not_suffice_is_reported(shell: Shell, world: World, tmp_path: Path) -> None:
    world.run("UPDATE wallets SET balance = 500")
    file = people(tmp_path, "+2348012345678,Ada", "+2348012345679,Ben")

    assert found(shell, file, "--text", "Hello", code=1)["lacking"] == 300
    assert "3.00 NGN are lacking" in shell(*CHECK, file, "--text", "Hello").out


def test_characters_that_force_ucs_2_are_reported(shell: Shell, world: World, tmp_path: Path) -> None:
    file = people(tmp_path, "+2348012345678,Ada", "+2348012345679,Łukasz")
    text = "“Hello” ${name} – " + "x" * 80

    quote = found(shell, file, "--text", text)

    assert quote["foreign"]["“"] == {"messages": 2, "line": 2}
    assert quote["foreign"]["Ł"] == {"messages": 1, "line": 3}
    # a respelt first text is GSM-7 of one segment; the second keeps its Ł
    assert (quote["segments"], quote["saved_by_respelling"]) == (4, 1)
    said = shell(*CHECK, file, "--text", text).out
    assert "LEFT DOUBLE QUOTATION MARK" in said
    assert "1 segments fewer" in said


def test_the_duration_at_the_carriers_rate_limit_is_estimated(shell: Shell, world: World, tmp_path: Path) -> None:
    shell("carrier", "set", "alpha", "--segments-per-second", "2")
    file = people(tmp_path, *(f"+23480123456{place:02},x" for place in range(10)))

    assert found(shell, file, "--text", "Hello")["seconds"] == 5.0
    assert "5 s at the carriers' rate limits" in shell(*CHECK, file, "--text", "Hello").out


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--text", "Hello", "--from", "OTHER"], "not registered"),
        (["--text", "Hello", "--account", "none"], "none"),
        (["--text", "Hello ${city}"], "no column has this name"),
        ([], "--text"),
    ],
)
def test_options_that_refuse_the_whole_campaign_are_an_error(
    shell: Shell, world: World, tmp_path: Path, options: list[str], words: str
) -> None:
    said = shell(*CHECK, people(tmp_path, "+2348012345678,Ada"), *options)

    assert said.code != 0
    assert words in said.err


def test_a_file_of_more_lines_than_a_portion_is_checked_in_full(shell: Shell, world: World, tmp_path: Path) -> None:
    world.run("UPDATE wallets SET balance = 2500 * 400")
    file = people(tmp_path, *(f"+2348012{place:06},x" for place in range(2500)))

    quote = found(shell, file, "--text", "Hello")

    assert (quote["recipients"], quote["amount"], quote["lacking"]) == (2500, 1_000_000, 0)
