"""The lines of a campaign file (CSV): recipients, merge fields, malformed lines."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from pipeline.rules.numbers import phones
from pipeline.rules.text import templates
from pipeline.rules.text.segments import measure
from pipeline.rules.text.templates import Missing
from pipeline.stages.campaigns.load import faults_of as unsendable
from schema.campaign import CampaignDefinition, GivenRow
from schema.order import Recipient
from schema.order_reader import read_recipients
from schema.vocabulary import Encoding
from workers.campaign_file import BrokenCsvFile, table_rows
from workers.lab.demo import demo_campaign

HOW = "write it as + and 8 to 15 digits"
TEXT = "Hello ${name}"


def read(
    content: str | bytes, text: str = TEXT, shared: Mapping[str, str] | None = None, column: str | None = None
) -> list[GivenRow]:
    lines = content.encode() if isinstance(content, str) else content
    return list(table_rows(lines.splitlines(keepends=True), text, shared or {}, column=column))


def recipients_of(content: str | bytes, **options: Any) -> list[Recipient]:
    found = read_recipients([row.recipient for row in read(content, **options) if row.fault is None])
    return [each for each in found if isinstance(each, Recipient)]


def faults_of(content: str | bytes, country: str | None = None) -> list[tuple[int, str]]:
    """Return the faults of the lines as a campaign that loads them has them."""
    definition = CampaignDefinition(account="acme", name="spring", sender="ACME", body=TEXT, country=country)
    return unsendable(definition, read(content))


def test_each_line_is_a_recipient_and_each_other_column_a_merge_field() -> None:
    found = recipients_of("to,name,correlation_id\n+2348012345678,Ada,a-1\n+447911123456,Ben,\n")

    first, second = found
    assert (first.to, first.merge, first.correlation_id) == ("+2348012345678", {"name": "Ada"}, "a-1")
    assert (second.to, second.merge, second.correlation_id) == ("+447911123456", {"name": "Ben"}, None)


@pytest.mark.parametrize("header", ["to", "phone", "number", "msisdn", "Phone", " TO "])
def test_the_number_column_can_have_several_names(header: str) -> None:
    assert recipients_of(f"name,{header}\nAda,+2348012345678\n")[0].to == "+2348012345678"


def test_any_column_can_be_named_as_the_number_column() -> None:
    for column in ("Mobile No", "mobile no "):
        found = recipients_of("to,Mobile No,Name\nAda,+2348012345678,Ada\n", column=column)

        assert found[0].to == "+2348012345678"
        assert found[0].merge == {"name": "Ada"}


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_cells_can_be_separated_by_comma_semicolon_or_tab(delimiter: str) -> None:
    content = delimiter.join(["to", "name"]) + "\n" + delimiter.join(["+2348012345678", "Ada"]) + "\n"

    assert recipients_of(content)[0].merge == {"name": "Ada"}


def test_a_byte_order_mark_crlf_and_blank_lines_are_ignored() -> None:
    found = recipients_of("\ufeffto,name\r\n\r\n+2348012345678,Ada\r\n\r\n")

    assert [each.to for each in found] == ["+2348012345678"]


def test_a_quoted_cell_can_contain_commas_and_line_breaks() -> None:
    assert recipients_of('to,name\n+2348012345678,"Ada, the\nfirst"\n')[0].merge == {"name": "Ada, the\nfirst"}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "the file is empty"),
        ("+2348012345678,Ada\n", "no column is called to or phone or number or msisdn"),
        ("name,city\nAda,Lagos\n", "no column is called to"),
        ("to,name,name\n+2348012345678,Ada,Ada\n", "two columns are called 'name'"),
        ("to,Name,NAME\n+2348012345678,Ada,Ada\n", "two columns are called 'Name'"),
        ("TO,To,name\n+2348012345678,,Ada\n", "two columns are called 'TO'"),
        ("to,nom\n+2348012345678,Ada\n", r"the text needs \$\{name\}: no column .*; the columns are to, nom"),
        ("to," + "n" * 200_000 + "\n+2348012345678,Ada\n", "a cell of more than 32,767 characters"),
        ('"to,name\n+2348012345678,Ada\n', "line 1: a cell opens with a quotation mark that is never closed"),
        (b"to,na\0me\n+2348012345678,Ada\n", "it has a NUL byte"),
        ("to,name\n+2348012345678,Ada\n".encode("utf-16-le"), "UTF-16"),
        (b"PK\x03\x04\x14\x00", "an Excel workbook"),
        (b"to,name\n" + b"x" * (1 << 21), "longer than 1,048,576 bytes"),
        ("to,näme\n".encode("latin-1"), "not UTF-8"),
        ("to,name\n+2348012345678,Ada\n".encode("utf-16"), "UTF-16"),
    ],
    ids=["empty", "no header", "no number column", "same name twice", *"ABCDEFGHI", "latin-1", "utf-16"],
)
def test_a_file_without_a_usable_header_is_refused(content: str | bytes, words: str) -> None:
    with pytest.raises(BrokenCsvFile, match=words):
        read(content)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b"+447911123456", "1 cell where the header has 2"),
        (b"+447911123456,Ben,x", "3 cells where the header has 2"),
        (b",Ben", "no number in column 'to'"),
        (b"  ,Ben", "no number in column 'to'"),
        (b"+447911123456,Bj\xf6rn", "not UTF-8"),
        (b"+" + b"4" * 1600 + b",Ben", "to: String should have at most 1600 characters"),
        (b"+447911123456," + b"B" * 1601, "merge.name: String should have at most 1600 characters"),
        (b"+447911123456," + b"B\0", "merge.name: must not hold control characters"),
        (
            b"+4479111234560000,Ben",
            "not a phone number: too long for a number of its country; write it as + and 8 to 15 digits",
        ),
        (
            b"+12345678,Ben",
            f"not a phone number: it lacks its area code: only those nearby could dial it; {HOW}",
        ),
        (
            b"07911123456,Ben",
            "not a phone number: national, or without its plus; write + and the country code, or give its `country`",
        ),
        (b'"+447911123456" ,Ben', "text after the closing quotation mark of a cell"),
        (b'+447911123456,12" TV', "a quotation mark inside an unquoted cell"),
        (b'+447911123456, "Ben"', "a quotation mark inside an unquoted cell"),
    ],
    ids=[
        *("too few cells", "too many cells", "no number", "a blank number", "not UTF-8", "long number", "long field"),
        *("NUL", "too long", "local", "national", "behind a quotation mark", "within a cell", "a blank before one"),
    ],
)
def test_a_malformed_line_is_reported_with_its_number_and_the_others_are_read(line: bytes, words: str) -> None:
    content = b"to,name\n+2348012345678,Ada\n" + line + b"\n+4915112345678,Eve\n"

    assert faults_of(content) == [(3, words)]
    assert [row.line for row in read(content)] == [2, 3, 4]


def test_line_numbers_count_blank_lines_and_line_breaks_in_cells() -> None:
    content = 'to,name\n+2348012345678,"Ada\nB."\n\n+447911123456\n'

    assert [line for line, _ in faults_of(content)] == [5]


QUOTES = {
    "closed in the middle of another line": (
        'to,name\n+2348031234567,"Ada\n+2348031234568,Ben\n+2348031234569,"Cy"\n',
        [2],
        ["Ben", "Cy"],
    ),
    "closed at another line's end": (
        'to,name\n+2348031234567,"Ada\n+2348031234568,Ben"\n+2348031234569,Cy\n',
        [2, 3],
        ["Cy"],
    ),
    "never closed": ('to,name\n+2348031234567,Ada\n+2348031234568,"Ben\n+2348031234569,Cy\n', [3], ["Ada", "Cy"]),
    "open on the last line": ('to,name\n+2348031234567,Ada\n+2348031234568,"Ben', [3], ["Ada"]),
    "text behind it": ('to,name\n+2348031234567,"Ada"x\n+2348031234568,Ben\n', [2], ["Ben"]),
    "opened on a line of a cell": ('to,name,note\n+2348031234567,"A\nda","x\n+2348031234568,Ben,\n', [3], ["Ben"]),
    "around numbers": ('to,name\n"+2348031234567,Ada\n"+2348031234568",Ben\n', [2], ["Ben"]),
}


@pytest.mark.parametrize(("content", "lines", "names"), QUOTES.values(), ids=QUOTES)
def test_an_unclosed_quotation_mark_makes_only_its_own_lines_malformed(
    content: str, lines: list[int], names: list[str]
) -> None:
    assert [line for line, _ in faults_of(content)] == lines
    assert [recipient.merge["name"] for recipient in recipients_of(content)] == names


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", "\n\r"], ids=ascii)
@pytest.mark.parametrize("size", [1, 7, 1 << 16])
def test_every_kind_of_line_end_is_read(end: str, size: int) -> None:
    content = f'to,name{end}+2348031234567,"A{end}da"{end}{end}x,Ben{end}+2348031234568,Cy{end}'.encode()
    chunks = [content[at : at + size] for at in range(0, len(content), size)]

    rows = list(table_rows(chunks, TEXT, {}))

    assert [row.line for row in rows] == [2, 5, 6]
    recipients = read_recipients([row.recipient for row in rows])
    assert [each.merge["name"] for each in recipients if isinstance(each, Recipient)] == ["A\nda", "Ben", "Cy"]


def test_a_line_may_have_a_time_zone_and_an_unknown_one_makes_it_malformed() -> None:
    content = "to,name,time_zone\n+2348031234567,Ada,Africa/Lagos\n+2348031234568,Ben,Mars\n+2348031234569,Cy,\n"

    found = read_recipients([row.recipient for row in read(content)])
    assert [each if isinstance(each, str) else each.time_zone for each in found][::2] == ["Africa/Lagos", None]
    assert faults_of(content) == [(3, "time_zone: must be a time zone of the IANA database, such as Europe/Paris")]
    assert read(content, text="${name}, ${time_zone}")[1].recipient == {
        "to": "+2348031234568",
        "merge": {"name": "Ben", "time_zone": "Mars"},
    }


def test_columns_that_the_text_does_not_use_are_ignored() -> None:
    header = ",".join(["to", *[f"c{n}" for n in range(120)], "name", "c1", "", ""])
    cells = ["+2348031234567", "x" * 2000, "\0", *["y"] * 118, "Ada", "", "", ""]

    found = recipients_of(f"{header}\n{','.join(cells)}\n{',' * 124}\n , ,\n")

    assert [each.merge for each in found] == [{"name": "Ada"}]


def test_trailing_columns_without_a_name_must_be_empty() -> None:
    faults = faults_of("to,name,,\n+2348031234567,Ada,,\n+2348031234568,Smith, John,\n+2348031234569,Cy\n")

    assert faults == [(3, "4 cells where the header has 2")]


def test_merge_fields_match_columns_regardless_of_case() -> None:
    content = b"TO , Name,town\n+2348031234567,Ada,Lagos\n"

    [recipient] = recipients_of(content, text="Hi ${name} of ${Town}, ${greeting}", shared={"GREETING": "hello"})

    assert recipient.merge == {"name": "Ada", "Town": "Lagos"}


def test_a_column_in_the_exact_case_of_the_merge_field_wins() -> None:
    found = recipients_of("to,Name,name\n+2348031234567,X,Ada\n")

    assert found[0].merge == {"name": "Ada"}


def test_a_merge_field_with_an_invalid_name_is_reported() -> None:
    with pytest.raises(BrokenCsvFile, match=r"\$\{First Name\}: a merge field is letters"):
        read("to,First Name\n+2348031234567,Ada\n", text="Hi ${First Name}")


def test_national_numbers_use_the_country_of_their_row_or_of_the_order() -> None:
    content = (
        "to,name,Country\n0803 123 4567,Ada,\n0664/1234567,Ben,at\n+447400123456,Cy,Britain\n+447400123456,Di,NG\n"
    )

    assert [(each.to, each.country) for each in recipients_of(content)] == [
        ("0803 123 4567", None),
        ("0664/1234567", "AT"),
        ("+447400123456", None),
        ("+447400123456", "NG"),
    ]
    assert faults_of(content, "NG") == []
    assert [line for line, _ in faults_of(content)] == [2]


def test_numbers_damaged_by_a_spreadsheet_are_reported_line_by_line() -> None:
    content = "phone,name\n+436641234567.0,Ada\n4.36641E+11,Ben\n+2348031234567 (Mum),Cy\n+43 664 1234567/8,Di\n"

    assert [line for line, _ in faults_of(content)] == [2, 3, 4, 5]


def test_an_unclosed_cell_costs_one_line_of_a_large_file() -> None:
    rows = read('to,name\n"+2348012345678,Ada\n' + "+447911123456,Ben\n" * 20_000)

    assert [row.line for row in rows if row.fault is not None] == [2]
    assert len(rows) == 20_001


def test_errors_contain_no_number_or_text_of_a_recipient() -> None:
    faults = faults_of(b"to,name\n+447911123456\n+4479111234560000,Secr\xe9t\n" + b"7" * 1700 + b",Secret\n")

    assert len(faults) == 3
    assert not any("4479" in words or "Secr" in words or "777" in words for _, words in faults)


def test_the_demo_file_has_its_documented_countries_encodings_and_errors() -> None:
    assert Path(demo_campaign.FILE).name == "demo.csv"
    with demo_campaign.FILE.open("rb") as lines:
        rows = [row.recipient for row in table_rows(lines, demo_campaign.TEXT, {})]
    recipients = [each for each in read_recipients(rows) if isinstance(each, Recipient)]
    numbers = phones.normalise(each.to for each in recipients)
    bodies = templates.render_all(templates.compile(demo_campaign.TEXT), {}, [each.merge for each in recipients])
    measures = measure(body for body in bodies if isinstance(body, str))

    assert len(recipients) == 2000
    assert 10 < sum(number is None for number in numbers) < 50
    assert {"NG", "GH", "KE", "CI", "GB", "DE", "IN", "US", "BR", "FR"} <= {each.country for each in numbers if each}
    assert {each.encoding for each in measures} == set(Encoding)
    assert max(each.segments for each in measures) > 1
    assert not any(isinstance(body, Missing) for body in bodies)
