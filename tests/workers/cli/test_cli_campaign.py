"""`postroad campaign create`, `load`, `check`, `quote`, `preview`, `approve`, `list`, `status`, `errors`."""

import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.stages.admin.compliance import opt_out
from pipeline.stages.admin.prices import set_price
from pipeline.stages.campaigns.respell import RespelledRows
from schema.campaign import GivenRow
from schema.order_reader import read
from tests.workers.cli.conftest import Shell
from tests.workers.conftest import Site
from tests.world import World

CREATE = ("campaign", "create", "--account", "acme", "--from", "ACME")
OF = ("--account", "acme")


def people(folder: Path, *lines: str, name: str = "people.csv") -> Path:
    file = folder / name
    file.write_text("\n".join(["to,name", *lines]) + "\n")
    return file


def created(shell: Shell, *arguments: object, name: str = "spring", code: int = 0) -> dict[str, Any]:
    said = shell(*CREATE, *arguments, "--name", name, "--json")
    assert said.code == code, said.err
    quote: dict[str, Any] = json.loads(said.out)
    return quote


def test_a_campaign_is_created_loaded_checked_and_quoted_in_one_command(
    shell: Shell, world: World, tmp_path: Path
) -> None:
    set_price(world.rt, "GB", None, 700, "acme")
    shell("carrier", "set", "alpha", "--segments-per-second", "2")
    file = people(tmp_path, "+2348012345678,Ada", "+2348012345679,Łukasz", "+447400123456,Eve")
    text = "“Hello” ${name} – " + "x" * 80

    quote = created(shell, file, "--text", text)

    assert (quote["state"], quote["rows"], quote["recipients"], quote["segments"]) == ("quoted", 3, 3, 6)
    assert (quote["currency"], quote["amount"], quote["lacking"]) == ("NGN", 2 * 2 * 400 + 2 * 700, 0)
    assert quote["countries"]["GB"] == {"messages": 1, "segments": 2, "amount": 1400, "quota": 0}
    assert quote["encodings"]["UCS2"]["messages"] == 3
    # respelt texts are GSM-7 of one segment; one keeps its Ł
    assert (quote["foreign"]["Ł"], quote["saved_by_respelling"]) == ({"messages": 1, "line": 3}, 2)
    assert quote["seconds"] == 3.0
    said = shell("campaign", "quote", "spring", *OF)
    assert said.code == 0
    for words in ("3 of 3 rows", "30.00 NGN", "LEFT DOUBLE QUOTATION MARK", "2 segments fewer", "3 s at the limits"):
        assert words in said.out
    for table in ("requests", "messages", "batches"):
        assert world.rows(f"SELECT count(*) FROM {table}") == [0]


def test_a_campaign_reserves_its_quote_and_leaves_out_who_got_a_message_shortly_before(
    shell: Shell, world: World, tmp_path: Path
) -> None:
    file = people(tmp_path, "+2348012345678,Ada", "+2348012345679,Ben")
    created(shell, file, "--text", "Hello ${name}", "--reserve", "--not-within", "48")
    changed = shell("campaign", "exclude", "spring", *OF, "--not-within", "24").out
    assert shell("campaign", "check", "spring", *OF).code == 0
    for step in ("approve", "start"):
        options = ("--max-cost", "800") if step == "approve" else ()
        assert shell("campaign", step, "spring", *OF, *options).code == 0

    assert (
        changed == "campaign spring: 0 rows are left out; its next check leaves out who got a message within 24 hours\n"
    )
    said = shell("campaign", "status", "spring", *OF).out
    for words in ("24 h of another message", "held as a whole when it begins", "still reserved", "8.00 NGN"):
        assert words in said
    [account] = json.loads(shell("account", "list", "--json").out)
    assert (account["balance"], account["reserved"]) == (1_000_000 - 800, 800)
    shell("campaign", "abort", "spring", *OF)
    found = json.loads(shell("campaign", "status", "spring", *OF, "--json").out)
    assert (found["reserve"], found["reserved"], world.balance()) == (True, None, 1_000_000)
    created(shell, file, "--text", "Hello ${name}", "--not-within", "48", name="later")
    assert "reserved" in shell("status").out


def test_rows_that_are_not_sent_are_listed_with_their_lines(shell: Shell, world: World, tmp_path: Path) -> None:
    opt_out(world.rt, "acme", "+2348012345679")
    lines = ["+2348012345678,Ada", "+2348012345679,Ben", "=1+1,Eve", "+447911123456", "+2348012345678,Ada again"]
    world.run("UPDATE wallets SET balance = 300")

    quote = created(shell, people(tmp_path, *lines), "--text", "Hello ${name}", code=1)

    assert (quote["rows"], quote["recipients"], quote["lacking"]) == (5, 1, 100)
    refused = {"opted_out": [3], "phone_invalid": [4], "malformed": [5], "duplicate": [6]}
    assert {verdict: each["lines"] for verdict, each in quote["refused"].items()} == refused
    assert "1.00 NGN are lacking" in shell("campaign", "quote", "spring", *OF).out
    said = shell("campaign", "errors", "spring", *OF).out.splitlines()
    assert said == [
        "line,verdict,fault,phone,correlation_id",
        "3,opted_out,the recipient opted out,+2348*******79,",
        said[2],
        "5,malformed,1 cell where the header has 2,,",
        "6,duplicate,line 2 has the same number,+2348*******78,",
    ]
    # no spreadsheet takes a cell for a formula
    assert said[2].startswith("4,phone_invalid,")
    assert ",****," in said[2]
    revealed = shell("campaign", "errors", "spring", *OF, "--numbers").out
    assert ",'=1+1," in revealed
    assert ",+2348012345679," in revealed
    [first, *_] = shell("campaign", "errors", "spring", *OF, "--json").out.splitlines()
    assert json.loads(first)["verdict"] == "opted_out"


def test_json_lines_are_loaded_and_a_broken_one_becomes_a_row(shell: Shell, world: World, tmp_path: Path) -> None:
    file = tmp_path / "people.ndjson"
    file.write_bytes(
        b'\xef\xbb\xbf{"to": "+2348012345678", "merge": {"name": "Ada"}, "correlation_id": "a-1"}\r\n\n'
        b'{"to": "08012345679", "country": "NG", "merge": {"name": "Ben"}}\n{"to"\n[1]\n\xff\n{"to": "+44", "x": 1}'
    )

    quote = created(shell, file, "--text", "Hello ${name}", code=1)

    assert (quote["rows"], quote["recipients"]) == (6, 2)
    assert quote["refused"]["malformed"]["lines"] == [4, 5, 6, 7]
    rows = world.rows("SELECT line, correlation_id, fault FROM campaign_rows ORDER BY line")
    assert rows[0] == (1, "a-1", None)
    assert rows[2] == (4, None, "not JSON: Expecting ':' delimiter at character 6")
    assert rows[4] == (6, None, "not UTF-8")
    broken = people(tmp_path, "+2348012345678,Ada")
    said = shell(*CREATE, broken, "--format", "ndjson", "--text", "x", "--name", "other")
    assert (said.code, "line 1: not JSON" in said.err) == (2, True)
    empty = tmp_path / "empty.jsonl"
    empty.touch()
    assert "the file is empty" in shell(*CREATE, empty, "--text", "x", "--name", "other").err
    assert world.rows("SELECT name FROM campaigns") == ["spring"]


def test_an_interrupted_load_goes_on_and_another_file_is_refused(shell: Shell, world: World, tmp_path: Path) -> None:
    file = people(tmp_path, "+2348012345678,Ada", "+2348012345679,Ben")
    said = shell(
        *CREATE, people(tmp_path, "+2348012345678,Ada", name="half.csv"), "--text", "x", "--name", "a", "--no-check"
    )
    assert (said.code, said.out) == (0, "campaign a: 1 rows loaded; 0 of them cannot be sent\n")

    again = shell("campaign", "load", "a", file, *OF)
    other = shell("campaign", "load", "a", people(tmp_path, "+447400123456,Eve", name="other.csv"), *OF)
    taken = shell(*CREATE, file, "--text", "x", "--name", "a")

    assert again.out == "campaign a: 1 rows loaded, 1 were loaded before; 0 of them cannot be sent\n"
    assert (other.code, "line 2 differs from what was loaded before" in other.err) == (1, True)
    assert (taken.code, "`postroad campaign load a FILE`" in taken.err) == (1, True)
    assert shell("campaign", "check", "a", *OF).code == 0
    assert "draft" not in shell("campaign", "list").out


@pytest.mark.parametrize(
    ("options", "words", "code"),
    [
        (["--text", "Hello", "--from", "OTHER"], "sender: 'OTHER' is not registered", 2),
        (["--text", "Hello", "--account", "none"], "there is no account 'none'", 1),
        (["--text", "Hello ${city}"], "no column has this name", 2),
        (["--text", "Hello", "--from", "x" * 30], "sender: String should have at most 20", 2),
        (["--template", "none"], "no template 'none'", 1),
        ([], "--text", 2),
    ],
)
def test_what_is_wrong_with_the_whole_campaign_is_an_error_and_nothing_is_created(
    shell: Shell, world: World, tmp_path: Path, options: list[str], words: str, code: int
) -> None:
    said = shell(*CREATE, people(tmp_path, "+2348012345678,Ada"), "--name", "spring", *options)

    assert (said.code, words in said.err) == (code, True), said.err
    assert world.rows("SELECT count(*) FROM campaigns") == [0]


def test_a_quoted_campaign_is_approved_by_name_or_id_once_its_price_is_within_the_limit(
    shell: Shell, world: World, tmp_path: Path
) -> None:
    quote = created(shell, people(tmp_path, "+2348012345678,Ada"), "--text", "Hello")

    assert shell("account", "four-eyes", "acme", "x").code == 2
    assert "need a second person" in shell("account", "four-eyes", "acme", "399").out
    above = shell("campaign", "approve", "spring", *OF, "--max-cost", "399")
    alone = shell("--as", "somebody", "campaign", "approve", "spring", *OF)
    shell("account", "four-eyes", "acme", "off")
    said = shell("campaign", "approve", quote["campaign"], "--json")

    assert (above.code, "costs 4.00 NGN, more than 3.99 NGN" in above.err) == (1, True)
    assert (alone.code, "its creator" in alone.err) == (1, True)
    assert (said.code, json.loads(said.out)["max_cost"]) == (0, 400)
    [shown] = json.loads(shell("campaign", "list", "--json").out)
    assert (shown["name"], shown["state"]) == ("spring", "approved")
    assert shell("campaign", "status", "nothing", *OF).code == 1
    status = shell("campaign", "status", "spring", *OF)
    assert "costs at most" in status.out
    assert "os_user:" in status.out
    counts = json.loads(shell("campaign", "status", "spring", *OF, "--json").out)["counts"]
    assert (counts["rows"], counts["pending"]) == (1, 1)


def test_a_row_is_previewed_as_its_recipient_reads_it(shell: Shell, world: World, tmp_path: Path) -> None:
    file = people(tmp_path, "+2348012345678,Zoë", "nix,Ben", "+447911123456")
    created(shell, file, "--text", "Hello ${name} of ${place}", "--field", "PLACE=Łódź", code=1)

    good, bad, broken, absent = (shell("campaign", "preview", "spring", line, *OF) for line in (2, 3, 4, 9))

    assert good.code == 0
    for words in ("Hello Zoë of Łódź", "UCS2, 1 segment\n", "alpha", "4.00 NGN", "+2348*******78 (NG)"):
        assert words in good.out
    assert (bad.code, "phone_invalid: not a phone number" in bad.out) == (1, True)
    assert (broken.code, "line 4 of campaign 'spring' is malformed" in broken.err) == (1, True)
    assert (absent.code, "no row of line 9" in absent.err) == (1, True)
    assert json.loads(shell("campaign", "preview", "spring", 2, *OF, "--json").out)["amount"] == 400


def test_a_row_is_sent_to_a_number_of_one_s_own_as_an_ordinary_order(
    bare_shell: Shell, quiet: Site, tmp_path: Path
) -> None:
    url = quiet.rt.settings.database_url.get_secret_value()
    bare_shell.set(DATABASE_URL=url, BROKER_URL=quiet.broker_url)
    created(bare_shell, people(tmp_path, "+2348012345678,Zoë"), "--text", "Hello ${name}")

    said = bare_shell("campaign", "preview", "spring", 2, *OF, "--send-to", "+447400123456")

    assert said.code == 0, said.err
    [(_, body)] = quiet.waiting("ingest")
    order = read(body[0][0])
    assert not isinstance(order, list)
    [recipient] = order.recipients
    assert (recipient.to, recipient.merge, order.body) == ("+447400123456", {"name": "Zoë"}, "Hello ${name}")
    assert order.message_class == "bulk"


def test_a_file_of_more_lines_than_a_portion_is_checked_in_full(shell: Shell, world: World, tmp_path: Path) -> None:
    world.run("UPDATE wallets SET balance = 4500 * 400")
    file = people(tmp_path, *(f"+2348012{place:06},x" for place in range(4500)))

    quote = created(shell, file, "--text", "Hello")

    assert (quote["recipients"], quote["amount"], quote["lacking"]) == (4500, 1_800_000, 0)


def test_audiences_are_left_out_when_a_campaign_is_created_or_later(shell: Shell, world: World, tmp_path: Path) -> None:
    file = people(tmp_path, "+2348012345678,Ada", "+2348012345679,Ben", "+447400123456,Eve")
    staff = people(tmp_path, "+234 801 234 5679,Ben", "?,nobody", name="staff.csv")
    world.run("UPDATE wallets SET balance = 800")

    said = shell(*CREATE, file, "--text", "x", "--name", "a", "--exclude", staff, "--json")
    none = shell("campaign", "exclude", "a", *OF, "--exclude-campaign", "a")
    unknown = shell(*CREATE, file, "--text", "x", "--name", "b", "--exclude-campaign", "unknown")
    broken = people(tmp_path, '"x', name="broken.csv")
    malformed = shell(*CREATE, file, "--text", "x", "--name", "b", "--exclude", broken)
    later = shell("campaign", "exclude", "a", *OF, "--exclude", people(tmp_path, "+447400123456,x", name="one.csv"))

    assert json.loads(said.out)["refused"] == {"excluded": {"messages": 1, "lines": [3]}}
    assert "1 numbers to be left out are no phone numbers" in said.err
    assert (none.code, "its own recipients" in none.err) == (2, True)
    assert (unknown.code, "there is no campaign 'unknown'" in unknown.err) == (1, True)
    assert (malformed.code, "line 2: a cell opens" in malformed.err) == (2, True)
    assert later.out == "campaign a: 1 rows are left out\n"
    assert world.rows("SELECT name, state FROM campaigns") == [("a", "stale")]


def test_a_definition_is_changed_until_the_campaign_is_started(shell: Shell, world: World, tmp_path: Path) -> None:
    created(shell, people(tmp_path, "+2348012345678,Ada"), "--text", "Hello ${name} of ${place}", "--field", "place=A")

    said = shell("campaign", "change", "spring", *OF, "--text", "Hi ${name} of ${place}", "--field", "PLACE=B")
    nothing = shell("campaign", "change", "spring", *OF)
    invalid = shell("campaign", "change", "spring", *OF, "--from", "OTHER")

    assert said.out == "campaign spring is changed and stale; check it again\n"
    assert (nothing.code, "give what to change" in nothing.err) == (2, True)
    assert (invalid.code, "sender: 'OTHER' is not registered" in invalid.err) == (2, True)
    assert shell("campaign", "check", "spring", *OF).code == 0
    assert "Hi Ada of B" in shell("campaign", "preview", "spring", 2, *OF).out


def test_typographic_characters_are_respelled_on_request_and_shown(shell: Shell, world: World, tmp_path: Path) -> None:
    lines = ["+2348012345678,Ada", "+2348012345679,D’Arcy", "+2348012345670,Łukasz", "+2348012345671"]
    file = people(tmp_path, *lines)
    text = "“Hello” ${name} – " + "x" * 80

    plain = created(shell, file, "--text", text, code=1)
    said = shell(*CREATE, file, "--text", text, "--name", "spelt", "--respell", "--json")

    spelt = json.loads(said.out)
    assert (plain["segments"], spelt["segments"]) == (6, 4)
    assert f"text before: {text}\n" in said.err
    assert 'text after:  "Hello" ${name} - xxx' in said.err
    assert "fields of 1 rows were respelled: lines 3;" in said.err
    assert "D'Arcy" in shell("campaign", "preview", "spelt", 3, *OF).out
    unlike = shell("campaign", "load", "spelt", file, *OF)
    assert (unlike.code, "line 3 differs" in unlike.err) == (1, True)
    assert "4 were loaded before" in shell("campaign", "load", "spelt", file, *OF, "--respell").out


def test_a_text_that_respelling_would_empty_or_make_too_long_stays_as_it_is() -> None:
    rows = [GivenRow(2, {"to": "+1", "merge": {"a": "\u200b", "b": "…" * 1600, "c": "…"}}), GivenRow(3, None, "x")]

    spelt = [row.recipient for row in RespelledRows(rows)]

    assert spelt == [{"to": "+1", "merge": {"a": "\u200b", "b": "…" * 1600, "c": "..."}}, None]


def test_a_series_shows_its_next_dates_and_is_ended(shell: Shell, world: World, tmp_path: Path) -> None:
    file = people(tmp_path, "+2348012345678,Ada")
    text = ("--text", "Hello ${name}")
    weekly = ("--send-at", "+1h", "--repeat", "FREQ=WEEKLY;COUNT=3", "--time-zone", "Africa/Lagos")
    made = shell(*CREATE, file, *text, "--name", "spring", *weekly)
    approved, begun = shell("campaign", "approve", "spring", *OF), shell("campaign", "start", "spring", *OF)
    status = json.loads(shell("campaign", "status", "spring", "--json", *OF).out)
    ended = shell("campaign", "end-repeat", "spring", "--reason", "over", *OF)

    assert [made.code, approved.code, begun.code, ended.code] == [0] * 4, made.err + begun.err
    assert "FREQ=WEEKLY;COUNT=3, in Africa/Lagos" in made.out
    assert [each[-6:] for each in status["next_times"]] == ["+01:00"] * 2
    assert "campaign spring is scheduled; `postroad campaign abort spring` ends it" in ended.out
    assert "over" in shell("campaign", "status", "spring", *OF).out
    once = shell("campaign", "abort", "spring", *OF)
    assert "prevents it" not in once.out

    wrong = shell(*CREATE, file, *text, "--name", "x", *weekly[:-1], "Africa/Logos")
    assert (wrong.code, "time_zone: must be a time zone of the IANA database" in wrong.err) == (2, True)
    assert shell(*CREATE, file, *text, "--name", "x", *weekly).code == 0
    changed = shell("campaign", "change", "x", "--no-repeat", *OF)
    assert (changed.code, world.rows("SELECT repeat FROM campaigns WHERE name = 'x'")) == (0, [None])
