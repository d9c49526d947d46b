"""`postroad campaign send`: a campaign in one command, and what it does when it is repeated."""

import io
import json
import re
from pathlib import Path
from typing import Any

import pytest

from pipeline.stages.campaigns.advance import advance
from pipeline.stages.campaigns.find import find
from tests.workers.cli.conftest import Said, Shell
from tests.world import World
from workers.campaign_wiring import expand_portion

ACME = ("--account", "acme", "--from", "ACME")
OF = ("--account", "acme")
ADA, BEN = "+2348012345678,Ada", "+2348012345679,Ben"


def people(folder: Path, *lines: str, name: str = "people.csv") -> Path:
    file = folder / name
    file.write_text("\n".join(["to,name", *lines]) + "\n")
    return file


def send(shell: Shell, file: object, *options: object, name: str | None = "spring", text: str = "Hi ${name}") -> Said:
    named = ("--name", name) if name else ()
    return shell("campaign", "send", *ACME, file, "--text", text, *named, *options)


def sent(shell: Shell, file: object, *options: object, code: int = 0) -> dict[str, Any]:
    said = send(shell, file, *options, "--json")
    assert said.code == code, said.err
    found: dict[str, Any] = json.loads(said.out)
    return found


def work(world: World, name: str = "spring") -> str:
    """Make messages of a started campaign and deliver them; return its state after the clock looked at it."""
    campaign = find(world.rt, "acme", name).id
    while (written := expand_portion(world.rt, campaign)) and written.is_written:
        world.deliver_all(written.hints)
    world.run("UPDATE campaign_progress SET worked_at = worked_at - interval '1 minute'")
    advance(world.rt)
    return find(world.rt, "acme", name).state


def bodies(world: World) -> list[Any]:
    return world.rows("SELECT body FROM messages ORDER BY body")


def test_a_repeated_send_sends_nothing_twice_and_malformed_lines_are_reported(
    shell: Shell, world: World, tmp_path: Path
) -> None:
    file = people(tmp_path, ADA, BEN, "x", ADA)

    first = send(shell, file, "--max-cost", 800)
    running = sent(shell, file, "--max-cost", 800)
    state = work(world)
    finished = sent(shell, file)

    assert first.code == 0
    assert first.err == "line 4: 1 cell where the header has 2\n"
    for words in ("8.00 NGN", "2 of 4 lines sent; 1 malformed lines were left out.", "campaign spring is running"):
        assert words in first.out
    assert "80123456" not in first.out
    assert (state, bodies(world)) == ("finished", ["Hi Ada", "Hi Ben"])
    assert running["campaign"] == finished["campaign"]
    assert (running["state"], finished["state"], finished["recipients"]) == ("running", "finished", 2)
    assert "statuses" not in finished


def test_another_file_or_definition_under_a_used_name_is_a_conflict_that_sends_nothing(
    shell: Shell, world: World, tmp_path: Path
) -> None:
    file = people(tmp_path, ADA, BEN)
    alike = tmp_path / "alike.csv"
    alike.write_bytes("\ufeffname;x;to\r\nAda;1;+234 801 234 5678\r\nBen;2;+2348012345679\r\n".encode())
    files = {
        r"line 2 differs": people(tmp_path, "+447400123456,Eve", ADA, BEN, name="a.csv"),
        r"line 3 differs": people(tmp_path, ADA, "+2348012345679,Eve", name="b.csv"),
        r"has 2 rows, this file 1": people(tmp_path, ADA, name="c.csv"),
    }
    more = people(tmp_path, ADA, BEN, "+447400123456,Eve", name="d.csv")
    later = ("--valid-until", "+2h")
    sent(shell, file, *later, "--max-cost", 800)

    for has_ended in (False, True):
        for words, other in files.items():
            said = send(shell, other, "--max-cost", 9000)
            assert (said.code, bool(re.search(words, said.err))) == (1, True), said.err
        said = send(shell, more, "--max-cost", 9000)
        assert (said.code, "it has no line 4" in said.err) == (1, True), said.err
        for field, options in {"class": ("--class", "otp"), "test": ("--test",), "canary": ("--canary", 1)}.items():
            said = send(shell, file, "--max-cost", 9000, *options)
            assert (said.code, f"with another {field}: nothing was sent" in said.err) == (1, True), said.err
        said = send(shell, file, "--max-cost", 9000, text="Hello ${name}")
        assert (said.code, "with another body" in said.err) == (1, True)
        # its times are those of the first
        assert send(shell, alike, "--max-cost", 800, *(("--valid-until", "+3h") if has_ended else ())).code == 0
        work(world)

    assert bodies(world) == ["Hi Ada", "Hi Ben"]
    assert world.rows("SELECT name, state FROM campaigns") == [("spring", "finished")]


class Terminal(io.StringIO):
    """A person's input."""

    def isatty(self) -> bool:
        return True


def test_a_cost_is_approved_by_an_option_or_by_the_person_at_the_terminal(
    shell: Shell, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = people(tmp_path, ADA, BEN)

    unasked = send(shell, file, name=None)
    [name] = world.rows("SELECT name FROM campaigns")
    dear = send(shell, file, "--max-cost", 799, name=name)
    monkeypatch.setattr("sys.stdin", Terminal("n\ny\n"))
    no = send(shell, file, name=name)
    yes = send(shell, file, "--json", name=name)
    free = send(shell, file, "--test", name="free")
    assert shell("wallet", "quota", "acme", 100).code == 0
    monkeypatch.setattr("sys.stdin", io.StringIO())
    within = send(shell, file, name="quota")

    assert name.startswith("people-20")
    assert (unasked.code, f"--name {name} --max-cost 800" in unasked.err) == (2, True)
    assert (dear.code, "costs 8.00 NGN, more than 7.99 NGN" in dear.err) == (1, True)
    assert (no.code, "Send it to 2 recipients for 8.00 NGN?" in no.err) == (1, True)
    assert "0 of 2 lines sent." in no.out
    assert (yes.code, json.loads(yes.out)["state"], "2 of 2 rows" in yes.err) == (0, "running", True)
    assert (free.code, within.code) == (0, 0), within.err
    assert world.rows("SELECT state, max_cost FROM campaigns ORDER BY id") == [("running", 800), *[("running", 0)] * 2]


def test_a_campaign_that_lacks_money_pauses_and_is_resumed_by_repeating_it(
    shell: Shell, world: World, tmp_path: Path
) -> None:
    file = people(tmp_path, ADA, BEN)
    world.run("UPDATE wallets SET balance = 500")

    lacking = send(shell, file, "--max-cost", 800)
    states = [work(world)]
    assert send(shell, file).code == 0
    states.append(work(world))
    world.run("UPDATE wallets SET balance = 800")
    assert shell("campaign", "resume", "spring", *OF).code == 0
    assert shell("campaign", "pause", "spring", *OF, "--reason", "wrong link").code == 0
    by_operator = send(shell, file)
    world.run("UPDATE campaigns SET reason = 'insufficient_funds'")
    assert send(shell, file).code == 0
    states.append(work(world))

    assert (lacking.code, "3.00 NGN are lacking" in lacking.out) == (0, True)
    assert by_operator.code == 1
    assert "is paused: wrong link; `postroad campaign resume spring`" in by_operator.err
    assert states == ["paused", "paused", "finished"]
    assert bodies(world) == ["Hi Ada", "Hi Ben"]
    assert world.balance() == 0


def test_a_send_that_was_interrupted_goes_on_where_it_was(shell: Shell, world: World, tmp_path: Path) -> None:
    file, half = people(tmp_path, ADA, BEN), people(tmp_path, ADA, name="half.csv")
    create = ("campaign", "create", *ACME, "--text", "Hi ${name}", "--name", "spring", "--no-check")
    assert shell(*create, half).code == 0

    world.run("UPDATE accounts SET state = 'suspended'")
    assert send(shell, file, "--max-cost", 800).code == 1
    world.run("UPDATE accounts SET state = 'active'")
    world.run("UPDATE campaigns SET state = 'checking'")
    assert send(shell, file, "--max-cost", 799).code == 1
    assert shell("campaign", "approve", "spring", *OF).code == 0
    dear = send(shell, file, "--max-cost", 799)
    found = sent(shell, file)
    state = work(world)
    assert shell("campaign", "abort", "spring", *OF).code == 1
    assert sent(shell, file)["state"] == "finished"

    assert (dear.code, "may cost 8.00 NGN, more than 7.99 NGN" in dear.err) == (1, True)
    assert (found["state"], state, bodies(world)) == ("running", "finished", ["Hi Ada", "Hi Ben"])


def test_an_aborted_campaign_is_not_sent_again(shell: Shell, world: World, tmp_path: Path) -> None:
    file = people(tmp_path, ADA)
    send(shell, file, "--max-cost", 800)
    shell("campaign", "abort", "spring", *OF)

    said = send(shell, file, "--max-cost", 800)

    assert (said.code, "campaign spring is aborted" in said.err) == (1, True)
    assert "lines sent" not in said.out


def test_a_malformed_line_sends_nothing_with_strict_and_leaves_the_name_free(
    shell: Shell, world: World, tmp_path: Path
) -> None:
    strict = send(shell, people(tmp_path, ADA, "x", "nix,Eve"), "--strict", "--max-cost", 800)
    stdin = send(shell, "-", "--strict")
    assert world.rows("SELECT count(*) FROM campaigns") == [0]
    long = send(shell, people(tmp_path, "+2348012345678," + "x" * 1599), "--strict", name="long")
    mended = send(shell, people(tmp_path, ADA, BEN), "--strict", "--max-cost", 800)

    assert (strict.code, strict.out) == (2, "")
    assert "line 3: 1 cell where the header has 2\nline 4: not a phone number" in strict.err
    assert "2 malformed lines: nothing was sent" in strict.err
    assert (stdin.code, "cannot be stdin" in stdin.err) == (2, True)
    assert (long.code, "line 2: " in long.err) == (2, True), long.err
    assert mended.code == 0
    assert world.rows("SELECT name FROM campaigns WHERE started_at IS NOT NULL") == ["spring"]


def test_numbers_damaged_by_a_spreadsheet_are_malformed_lines(shell: Shell, world: World, tmp_path: Path) -> None:
    file, quoted, only = tmp_path / "people.csv", tmp_path / "quoted.csv", tmp_path / "only.csv"
    file.write_bytes(b"phone,name\r+436641234567.0,Ada\r0664 1234567-890,Ben\r0664 1234567,Cy\r")
    quoted.write_text('to,name\n+2348031234567,"Quotes\n+2348031234568,Quoted\n+2348031234569,"Quoter"\n')
    only.write_text("to,name\n+2348031234567.0,Ada\n+2348031234568.0,Ben\n")

    damaged = send(shell, file, "--country", "AT", "--max-cost", 400)
    unclosed = send(shell, quoted, "--max-cost", 800, name="quoted")
    none = send(shell, only, name="only")
    empty = send(shell, people(tmp_path, name="empty.csv"), name="empty")
    work(world)
    work(world, "quoted")

    assert damaged.code == 0, damaged.err
    assert re.findall(r"line (\d): not a phone number: (?:a decimal|it ends in)", damaged.err) == ["2", "3"]
    assert (unclosed.code, unclosed.err[:42]) == (0, "line 2: a cell opens with a quotation mark")
    assert (none.code, "0 of 2 lines sent; 2 malformed lines were left out." in none.out) == (2, True), none.err
    assert (empty.code, "it has no recipients" in empty.err) == (1, True)
    assert bodies(world) == ["Hi Cy", "Hi Quoted", "Hi Quoter"]


def test_only_columns_that_the_template_uses_are_checked(shell: Shell, world: World, tmp_path: Path) -> None:
    assert shell("template", "add", "acme", "greet", "--text", "Template ${name}").code == 0
    file = tmp_path / "people.csv"
    file.write_text("to,Name,notes,\n+2348031234567,Ada," + "x" * 2000 + ",\n,,,\n")
    template = ("campaign", "send", *ACME, file, "--max-cost", 400, "--name", "spring", "--template")

    said, unknown = shell(*template, "greet"), shell("campaign", "send", *ACME, file, "--template", "nope")
    other = send(shell, file, text="Template ${name}")
    work(world)

    assert (said.code, said.err) == (0, "")
    assert bodies(world) == ["Template Ada"]
    assert (unknown.code, "no template 'nope'" in unknown.err) == (1, True)
    assert (other.code, "with another template" in other.err) == (1, True)
    assert shell(*template, "greet").code == 0


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "the file is empty"),
        ("to," + "n" * 200_000 + "\n1\n", "line 1: a cell of more than"),
        ("name\nAda\n", "line 1: no column is called"),
        ("To,TO\n1,2\n", "two columns"),
    ],
)
def test_a_file_with_an_invalid_header_sends_nothing(
    shell: Shell, world: World, tmp_path: Path, content: str, words: str
) -> None:
    (tmp_path / "people.csv").write_text(content)

    said = send(shell, tmp_path / "people.csv", text="x")

    assert (said.code, said.out) == (2, "")
    assert words in said.err
    assert world.rows("SELECT count(*) FROM campaigns") == [0]


def test_a_missing_file_and_a_missing_database_are_told_apart(bare_shell: Shell, tmp_path: Path) -> None:
    assert send(bare_shell, "/no/such/file.csv").code == 2
    bare_shell.set(DATABASE_URL="postgresql://nobody@127.0.0.1:1/nothing")
    assert send(bare_shell, people(tmp_path, ADA)).code == 3
