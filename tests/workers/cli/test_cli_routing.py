"""`postroad route`, `network` and `explain`: versions of routes, networks, and how a message is routed."""

import json
from pathlib import Path
from typing import Any

import pytest

from schema.routing import RouteLoss
from tests.workers.cli.conftest import Shell
from tests.world import World
from workers.cli.terminal.route_view import WHY, cost


@pytest.fixture
def sent(shell: Shell, world: World) -> str:
    """The id of a message that beta took after alpha had refused it."""
    world.add_carrier("alpha", {"refuse_transient:21": 1})
    world.add_carrier("beta", rank=2)
    [id_] = world.send().messages
    return str(id_)


def test_every_routing_reason_has_a_description() -> None:
    assert set(WHY) == set(RouteLoss)


def test_a_message_s_routing_is_explained_attempt_by_attempt(shell: Shell, sent: str) -> None:
    reported = shell("explain", sent)

    assert reported.code == 0, reported.err
    for words in (
        "1. ",
        "alpha, attempt 1",
        "refused_transient (21)",
        "chosen",
        WHY[RouteLoss.HIGHER_RANK],
        "2. ",
        "beta",
    ):
        assert words in reported.out
    assert "please report this" not in reported.out


def test_a_message_is_explained_as_json(shell: Shell, sent: str) -> None:
    reported = json.loads(shell("explain", sent[:13], "--json").out)

    first, second = reported["turns"]
    assert (first["carrier"], first["is_same"], first["attempts"][0]["outcome"]) == ("alpha", True, "refused_transient")
    assert [(each["carrier"], each["state"], each["loss"]) for each in second["choice"]["candidates"]] == [
        ("alpha", "active", "tried"),
        ("beta", "active", None),
    ]


def test_the_route_of_a_message_that_is_not_sent_is_explained(shell: Shell, sent: str) -> None:
    said = shell("explain", "--to", "+234 801 234 5678", "--from", "ACME", "--account", "acme", "--text", "Hi")
    data = json.loads(shell("explain", "--to", "+2348012345678", "--from", "ACME", "--account", "acme", "--json").out)

    assert said.code == 0
    assert "would go to  alpha" in said.out
    assert (data["carrier"], data["chain"], data["encoding"]) == ("alpha", ["alpha", "beta"], "GSM7")


@pytest.mark.parametrize(
    ("asked", "code", "words"),
    [
        (["ffffffff"], 1, "no message id begins like this"),
        (["fff"], 2, "is no message id"),
        ([], 2, "give either a message's ID, or --to"),
        (["ffffffff", "--to", "+2348012345678"], 2, "give either a message's ID, or --to"),
        (["--to", "12"], 2, "not a phone number"),
        (["--to", "+2348012345678", "--account", "other"], 2, "give --from"),
        (["--to", "+2348012345678", "--account", "other", "--from", "ACME"], 1, "there is no account 'other'"),
    ],
)
def test_invalid_arguments_of_explain_are_reported(shell: Shell, asked: list[str], code: int, words: str) -> None:
    said = shell("explain", *asked)

    assert (said.code, said.out) == (code, "")
    assert words in said.err


def test_an_ambiguous_message_id_prefix_lists_the_matching_ids(shell: Shell, world: World) -> None:
    first, second = world.send("+2348012345678", "+2348012345679").messages

    said = shell("explain", str(first)[:13])

    assert said.code == 1
    assert str(first) in said.err
    assert str(second) in said.err


def test_explain_fails_if_no_route_matches_the_number(shell: Shell, world: World) -> None:
    shell("route", "drop", "*", "alpha")

    said = shell("explain", "--to", "+2348012345678", "--from", "ACME", "--account", "acme")

    assert said.code == 1
    assert "no route matches this number" in said.out


def test_routes_are_listed_with_their_past_and_future_versions(shell: Shell, world: World) -> None:
    for options in (["--rank", 2], ["--weight", 0, "--cost", "0.0042", "--currency", "EUR"], ["--from", "+2h"]):
        said = shell("route", "add", "NG", "alpha", *options)
        assert said.code == 0, said.err

    def stands(*more: str) -> list[Any]:
        rows = json.loads(shell("route", "list", "--json", *more).out)
        return [(row["stands"], row["cost"]) for row in rows if row["destination"] == "NG"]

    assert stands() == [("in force", 4200), ("to come", None)]
    assert sorted(stands("--all"), key=str) == [("in force", 4200), ("over", None), ("to come", None)]
    assert "0.0042 EUR" in shell("route", "list").out


@pytest.mark.parametrize("word", ["-1", "dear", "0.0000001", "NaN", "Infinity"])
def test_an_invalid_route_cost_is_refused(shell: Shell, word: str) -> None:
    said = shell("route", "add", "NG", "alpha", f"--cost={word}", "--currency", "EUR")

    assert said.code == 2
    assert "is not a cost" in said.err


@pytest.mark.parametrize(
    ("millionths", "words"),
    [(None, "–"), (0, "0 EUR"), (4200, "0.0042 EUR"), (1_000_000, "1 EUR"), (12_345_678, "12.345678 EUR")],
)
def test_a_cost_is_shown_in_units_of_its_currency(millionths: int | None, words: str) -> None:
    assert cost(millionths, "EUR" if millionths is not None else None) == words


def test_networks_are_imported_and_listed(shell: Shell, tmp_path: Path) -> None:
    file = tmp_path / "networks.csv"
    file.write_text("\ufeffprefix,network\n234803,621-30\n234806,621-30\n234802,621-20\n", "utf-8")

    said = shell("network", "import", file)

    assert (said.code, said.out) == (0, "3 prefixes of 2 networks\n")
    assert json.loads(shell("network", "list", "--json").out)["234803"] == "621-30"
    assert "621-30" in shell("network", "list").out


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("digits,who\n1,2\n", "must name the columns"),
        ("", "the file is empty"),
        ('prefix,network\n234803,"621-30\n234806,621-30\n', "line 2: a cell opens with a quotation mark"),
        ("prefix,network\n234,MTN\n", "is not a network"),
        ("prefix,network\n234\n", "a cell is missing"),
    ],
)
def test_a_malformed_file_of_networks_is_refused(shell: Shell, tmp_path: Path, content: str, words: str) -> None:
    file = tmp_path / "networks.csv"
    file.write_text(content, "utf-8")

    said = shell("network", "import", file)

    assert said.code == 2
    assert words in said.err


def test_a_carrier_s_capabilities_are_set_and_listed(shell: Shell) -> None:
    said = shell("carrier", "add", "beta", "--kind", "simulated", "--capabilities", '{"ucs2": false, "dlt": true}')

    assert said.code == 0, said.err
    [row] = [row for row in json.loads(shell("carrier", "list", "--json").out) if row["name"] == "beta"]
    assert row["capabilities"] == {"ucs2": False, "dlt": True}
    assert shell("carrier", "add", "beta", "--kind", "simulated", "--capabilities", '{"mms": true}').code == 2
