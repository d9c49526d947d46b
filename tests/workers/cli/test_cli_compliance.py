"""`postroad inbound`, `optout`, `keyword`, `quiet` and `account allow`."""

import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.stages import inbound
from schema.carriage import Inbound
from tests.workers.cli.conftest import Shell
from tests.world import World

ADA = "+2348012345678"


def listed(shell: Shell, *command: str) -> list[dict[str, Any]]:
    said = shell(*command, "--json")
    assert said.code == 0, said.err
    return list(json.loads(said.out))


def test_an_account_is_restricted_to_the_countries_it_is_allowed(world: World, shell: Shell) -> None:
    assert shell("account", "allow", "acme", "ng, GH").code == 0
    assert world.rows("SELECT countries FROM accounts") == [["GH", "NG"]]
    assert [each.code for each in world.submit(world.order("+14165550123"))[0].refusals] == ["country_forbidden"]

    assert "every country" in shell("account", "allow", "acme", "*").out
    assert world.submit(world.order("+14165550123"))[0].refusals == []


def test_a_sender_is_registered_for_countries_which_a_later_update_keeps(world: World, shell: Shell) -> None:
    assert shell("sender", "add", "acme", "ACME", "--country", "NG", "--country", "GH").code == 0
    assert [each.code for each in world.submit(world.order("+14165550123"))[0].refusals] == ["sender_invalid"]

    shell("sender", "add", "acme", "ACME", "--reason", "seen")
    assert world.rows("SELECT countries FROM sender_ids") == [["GH", "NG"]]
    shell("sender", "add", "acme", "ACME", "--country", "*")
    assert world.rows("SELECT countries FROM sender_ids") == [[]]
    assert shell("sender", "add", "acme", "ACME", "--country", "Ghana").code == 2


def test_a_national_number_is_opted_out_in_the_country_given(world: World, shell: Shell) -> None:
    national = ("0801 234 5678", "--country", "NG")
    refused = shell("optout", "add", "0801 234 5678")

    assert (refused.code, "give its `country`" in refused.err) == (2, True)
    assert shell("optout", "add", *national).out == "opted out\n"
    assert world.rows("SELECT phone FROM opt_outs") == [ADA]
    assert len(listed(shell, "optout", "list", "--number", *national)) == 1
    assert shell("optout", "remove", *national).code == 0
    assert world.rows("SELECT phone FROM opt_outs") == []


def test_opt_outs_are_added_listed_masked_and_removed(world: World, shell: Shell) -> None:
    assert shell("optout", "add", "+234 801 234 5678", "--account", "acme", "--class", "bulk").out == "opted out\n"
    assert "already" in shell("optout", "add", ADA, "--account", "acme", "--class", "bulk").out
    shell("optout", "add", ADA)

    said = shell("optout", "list").out
    assert "+2348*******78" in said
    assert ADA not in said + shell("optout", "list", "--json").out
    assert [(row["account"], row["phone"], row["class"]) for row in listed(shell, "optout", "list", "--reveal")] == [
        ("", ADA, ""),
        ("acme", ADA, "bulk"),
    ]
    assert len(listed(shell, "optout", "list", "--account", "acme", "--number", ADA)) == 1

    assert shell("optout", "remove", ADA).code == 0
    assert "postroad optout list" in shell("optout", "remove", ADA).err
    assert len(listed(shell, "optout", "list")) == 1


def test_opt_outs_are_imported_from_a_file(world: World, shell: Shell, tmp_path: Path) -> None:
    file = tmp_path / "list.csv"
    file.write_text(f"why,Number\ncomplained,{ADA}\n,+44 7400 123456\n\n,{ADA}\n")

    said = shell("optout", "import", file, "--account", "acme")

    assert (said.code, said.out) == (0, "2 new, 1 known or duplicates, 0 invalid\n")
    assert shell("optout", "import", file, "--account", "acme").out.startswith("0 new, 3 known")
    assert world.rows("SELECT DISTINCT source FROM opt_outs") == ["import"]


def test_opt_outs_are_found_and_removed_by_any_spelling_of_their_number(
    world: World, shell: Shell, tmp_path: Path
) -> None:
    file = tmp_path / "list.csv"
    file.write_text("number\n+52 1 55 1234 5678\n+525512345678\n+551187654321\n00447400123126\n")

    assert shell("optout", "import", file, "--account", "acme").out.startswith("3 new, 1 known")
    assert "already" in shell("optout", "add", "+5511987654321", "--account", "acme").out
    assert len(listed(shell, "optout", "list", "--number", "+5215512345678")) == 1
    for number in ("+525512345678", "+551187654321", "+447400123126"):
        assert [each.code for each in world.submit(world.order(number))[0].refusals] == ["opted_out"]

    assert shell("optout", "remove", "+5215512345678", "--account", "acme").code == 0
    assert world.submit(world.order("+525512345678"))[0].refusals == []


OPT_OUTS = {
    "no header, bare CR": (f"{ADA}\r+447400123456\r".encode(), 0, "2 new", ""),
    "a spreadsheet's floats": (
        f"{ADA}.0\n+447400123456\n".encode(),
        1,
        "1 new",
        "line 1: not a phone number: a decimal",
    ),
    "national": (b"phone\n07400 123456\n", 1, "0 new", "line 2: not a phone number: national"),
    "an open quotation mark": (f'phone\n"{ADA}\n+447400123456\n'.encode(), 1, "1 new", "line 2: a cell opens with"),
    "a word": (b"+447400123456\nnobody\n", 1, "1 new", "line 2: not a phone number: letters"),
}


@pytest.mark.parametrize(("content", "code", "out", "err"), OPT_OUTS.values(), ids=OPT_OUTS)
def test_an_import_of_opt_outs_reports_every_line_that_it_cannot_read(
    shell: Shell, tmp_path: Path, content: bytes, code: int, out: str, err: str
) -> None:
    file = tmp_path / "list.csv"
    file.write_bytes(content)

    said = shell("optout", "import", file)

    assert said.code == code
    assert said.out.startswith(out)
    assert said.err.startswith(err)


def test_national_numbers_are_imported_as_opt_outs_of_the_country_given(
    world: World, shell: Shell, tmp_path: Path
) -> None:
    file = tmp_path / "list.csv"
    file.write_text("07400 123456\n")

    said = shell("optout", "import", file, "--country", "gb")

    assert (said.code, said.err) == (0, "")
    assert world.rows("SELECT phone FROM opt_outs") == ["+447400123456"]


@pytest.mark.parametrize("content", [b"", "to\n+447400123456\n".encode("utf-16"), b"PK\x03\x04", b"n\xe9\n1\n"])
@pytest.mark.parametrize("what", ["optout", "network"])
def test_an_unreadable_import_file_is_a_usage_error(shell: Shell, tmp_path: Path, what: str, content: bytes) -> None:
    file = tmp_path / "list.csv"
    file.write_bytes(content)

    said = shell(what, "import", file)

    assert (said.code, said.out) == (2, "")
    assert "unexpected" not in said.err


def test_keywords_are_set_listed_and_removed(world: World, shell: Shell) -> None:
    assert shell("keyword", "add", "café!", "help", "--reply", "We open at 8.", "--account", "acme").out.startswith(
        "CAFE"
    )
    shell("keyword", "add", "STOP", "stop", "--reply", "Bye.")

    assert [(row["account"], row["word"], row["reply"]) for row in listed(shell, "keyword", "list")] == [
        (None, "STOP", "Bye."),
        ("acme", "CAFE", "We open at 8."),
    ]
    assert "Bye." in shell("keyword", "list", "--account", "acme").out
    assert shell("keyword", "remove", "Cafe", "--account", "acme").code == 0
    assert shell("keyword", "remove", "Cafe", "--account", "acme").code == 1


def test_quiet_hours_are_set_listed_and_removed(world: World, shell: Shell) -> None:
    assert shell("quiet", "add", "NG", "bulk", "20:00", "08:00").code == 0
    assert shell("quiet", "add", "*", "otp", "23:30", "06:15", "--action", "reject", "--account", "acme").code == 0

    said = shell("quiet", "list").out
    assert "20:00" in said
    assert "06:15" in said
    assert [row["country"] for row in listed(shell, "quiet", "list")] == ["NG", "*"]
    assert shell("quiet", "remove", "NG", "bulk").code == 0
    assert shell("quiet", "remove", "NG", "bulk").code == 1


def test_inbound_messages_are_listed_without_number_and_text_unless_revealed(world: World, shell: Shell) -> None:
    inbound.keep(world.rt, [Inbound("alpha", "1", ADA, "ACME", "When do you open?", None)])
    inbound.reply(world.rt)

    said = shell("inbound", "list", "--account", "acme").out
    assert "keep" in said
    assert "open" not in said + shell("inbound", "list", "--json").out
    assert ADA not in said
    assert [(row["phone"], row["body"]) for row in listed(shell, "inbound", "list", "--reveal")] == [
        (ADA, "When do you open?")
    ]
    assert "When" in shell("inbound", "list", "--reveal").out


WRONG = {
    "no account": ("account", "allow", "nobody", "NG"),
    "no country": ("account", "allow", "acme", "Nigeria"),
    "no number": ("optout", "add", "hello"),
    "no sender": ("optout", "add", ADA, "--sender", "!"),
    "no word": ("keyword", "add", "!?", "stop"),
    "a merge field": ("keyword", "add", "HELP", "help", "--reply", "Hello ${name}"),
    "no reply": ("keyword", "add", "HELP", "help", "--reply", " "),
    "no time": ("quiet", "add", "NG", "bulk", "25:00", "08:00"),
    "no place": ("quiet", "add", "Lagos", "bulk", "20:00", "08:00"),
}


@pytest.mark.parametrize("command", WRONG.values(), ids=WRONG)
def test_an_invalid_argument_is_reported_in_one_line(world: World, shell: Shell, command: tuple[str, ...]) -> None:
    said = shell(*command)

    assert said.code in (1, 2)
    assert said.err.startswith("postroad: ")
    assert said.err.count("\n") == 1
