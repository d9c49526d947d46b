"""The lines of a campaign file (CSV): recipients, merge fields, malformed lines."""

from pathlib import Path
from typing import Any

import pytest

from pipeline.rules.numbers import phones
from pipeline.rules.text import templates
from pipeline.rules.text.segments import measure
from pipeline.rules.text.templates import Missing
from schema.order import Order
from schema.vocabulary import Encoding
from workers.campaign_file import PORTION, BrokenCsvFile, FilePortion, LineFault, portions, request_ids
from workers.lab.demo.demo_campaign import FILE as CAMPAIGN
from workers.lab.demo.demo_campaign import TEXT

HOW = "write it as + and 8 to 15 digits"
COMMON: dict[str, Any] = {"account": "acme", "sender": "ACME", "body": "Hello ${name}"}


def read(content: str | bytes, **options: Any) -> list[FilePortion]:
    lines = content.encode() if isinstance(content, str) else content
    return list(portions(lines.splitlines(keepends=True), COMMON, **options))


def order_of(content: str | bytes, **options: Any) -> Order:
    [portion] = read(content, **options)
    assert portion.order is not None
    return portion.order


def faults_of(content: str | bytes, **options: Any) -> list[LineFault]:
    return [fault for portion in read(content, **options) for fault in portion.faults]


def test_each_line_is_a_recipient_and_each_other_column_a_merge_field() -> None:
    order = order_of("to,name,correlation_id\n+2348012345678,Ada,a-1\n+447911123456,Ben,\n")

    first, second = order.recipients
    assert (first.to, first.merge, first.correlation_id) == ("+2348012345678", {"name": "Ada"}, "a-1")
    assert (second.to, second.merge, second.correlation_id) == ("+447911123456", {"name": "Ben"}, None)


@pytest.mark.parametrize("header", ["to", "phone", "number", "msisdn", "Phone", " TO "])
def test_the_number_column_can_have_several_names(header: str) -> None:
    assert order_of(f"name,{header}\nAda,+2348012345678\n").recipients[0].to == "+2348012345678"


def test_any_column_can_be_named_as_the_number_column() -> None:
    for column in ("Mobile No", "mobile no "):
        order = order_of("to,Mobile No,Name\nAda,+2348012345678,Ada\n", column=column)

        assert order.recipients[0].to == "+2348012345678"
        assert order.recipients[0].merge == {"name": "Ada"}


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_cells_can_be_separated_by_comma_semicolon_or_tab(delimiter: str) -> None:
    content = delimiter.join(["to", "name"]) + "\n" + delimiter.join(["+2348012345678", "Ada"]) + "\n"

    assert order_of(content).recipients[0].merge == {"name": "Ada"}


def test_a_byte_order_mark_crlf_and_blank_lines_are_ignored() -> None:
    order = order_of("\ufeffto,name\r\n\r\n+2348012345678,Ada\r\n\r\n")

    assert [each.to for each in order.recipients] == ["+2348012345678"]


def test_a_quoted_cell_can_contain_commas_and_line_breaks() -> None:
    assert order_of('to,name\n+2348012345678,"Ada, the\nfirst"\n').recipients[0].merge == {"name": "Ada, the\nfirst"}


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
        (b"+" + b"4" * 1600 + b",Ben", "not a phone number: a number has at most 64 characters"),
        (b"+447911123456," + b"B" * 1601, "the text is longer than 1600 characters"),
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

    assert faults_of(content) == [LineFault(3, words)]
    assert [each.merge["name"] for each in order_of(content).recipients] == ["Ada", "Eve"]


def test_line_numbers_count_blank_lines_and_line_breaks_in_cells() -> None:
    content = 'to,name\n+2348012345678,"Ada\nB."\n\n+447911123456\n'

    assert [fault.line for fault in faults_of(content)] == [5]


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
    [portion] = read(content)

    assert [fault.line for fault in portion.faults] == lines
    assert portion.order
    assert [recipient.merge["name"] for recipient in portion.order.recipients] == names


def test_a_thousand_lines_after_an_unclosed_quotation_mark_are_read() -> None:
    content = 'to,name\n+2348031234567,"Ada\n' + "".join(f"+23480{n:08},Ben\n" for n in range(999))

    [portion] = read(content)

    assert [fault.line for fault in portion.faults] == [2]
    assert portion.order
    assert len(portion.order.recipients) == 999


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", "\n\r"], ids=ascii)
@pytest.mark.parametrize("size", [1, 7, 1 << 16])
def test_every_kind_of_line_end_is_read(end: str, size: int) -> None:
    content = f'to,name{end}+2348031234567,"A{end}da"{end}{end}x,Ben{end}+2348031234568,Cy{end}'.encode()
    chunks = [content[at : at + size] for at in range(0, len(content), size)]

    [portion] = portions(chunks, COMMON)

    assert portion.order
    assert [recipient.merge["name"] for recipient in portion.order.recipients] == ["A\nda", "Cy"]
    assert [fault.line for fault in portion.faults] == [5]


def test_columns_that_the_text_does_not_use_are_ignored() -> None:
    header = ",".join(["to", *[f"c{n}" for n in range(120)], "name", "c1", "", ""])
    cells = ["+2348031234567", "x" * 2000, "\0", *["y"] * 118, "Ada", "", "", ""]

    order = order_of(f"{header}\n{','.join(cells)}\n{',' * 124}\n , ,\n")

    assert [each.merge for each in order.recipients] == [{"name": "Ada"}]


def test_trailing_columns_without_a_name_must_be_empty() -> None:
    faults = faults_of("to,name,,\n+2348031234567,Ada,,\n+2348031234568,Smith, John,\n+2348031234569,Cy\n")

    assert faults == [LineFault(3, "4 cells where the header has 2")]


def test_merge_fields_match_columns_regardless_of_case() -> None:
    common = {**COMMON, "body": "Hi ${name} of ${Town}, ${greeting}", "merge": {"GREETING": "hello"}}

    [portion] = portions([b"TO , Name,town\n+2348031234567,Ada,Lagos\n"], common)

    assert portion.order
    assert portion.order.merge["greeting"] == "hello"
    assert portion.order.recipients[0].merge == {"name": "Ada", "Town": "Lagos"}


def test_a_column_in_the_exact_case_of_the_merge_field_wins() -> None:
    order = order_of("to,Name,name\n+2348031234567,X,Ada\n")

    assert order.recipients[0].merge == {"name": "Ada"}


def test_a_merge_field_with_an_invalid_name_is_reported() -> None:
    with pytest.raises(BrokenCsvFile, match=r"\$\{First Name\}: a merge field is letters"):
        list(portions([b"to,First Name\n+2348031234567,Ada\n"], {**COMMON, "body": "Hi ${First Name}"}))


def test_the_fields_of_a_template_are_read_from_columns() -> None:
    common = {"account": "acme", "sender": "ACME", "template": "ride"}

    [portion] = portions([b"to,Name,x\n+2348031234567,Ada,y\n"], common, text="Hi ${name}")

    assert portion.order
    assert portion.order.recipients[0].merge == {"name": "Ada"}


def test_national_numbers_use_the_country_of_their_row_or_of_the_order() -> None:
    content = (
        "to,name,Country\n0803 123 4567,Ada,\n0664/1234567,Ben,at\n+447400123456,Cy,Britain\n+447400123456,Di,NG\n"
    )

    [portion] = list(portions([content.encode()], {**COMMON, "country": "NG"}))

    assert portion.order
    assert [(each.to, each.country) for each in portion.order.recipients] == [
        ("0803 123 4567", None),
        ("0664/1234567", "AT"),
        ("+447400123456", None),
    ]
    assert [fault.line for fault in portion.faults] == [5]


def test_numbers_damaged_by_a_spreadsheet_are_reported_line_by_line() -> None:
    content = "phone,name\n+436641234567.0,Ada\n4.36641E+11,Ben\n+2348031234567 (Mum),Cy\n+43 664 1234567/8,Di\n"

    assert [fault.line for fault in faults_of(content)] == [2, 3, 4, 5]


def test_numbers_of_unassigned_ranges_are_refused_only_with_strict_numbers() -> None:
    lines = [b"to,name\n+2340001234567,Ada\n"]

    [lenient], [strict] = list(portions(lines, COMMON)), list(portions(lines, COMMON, strict_numbers=True))

    assert (len(lenient.faults), len(strict.faults)) == (0, 1)


def test_an_unclosed_cell_costs_one_line_of_a_large_file() -> None:
    content = 'to,name\n"+2348012345678,Ada\n' + "+447911123456,Ben\n" * 20_000

    portions_ = read(content)

    assert [fault.line for portion in portions_ for fault in portion.faults] == [2]
    assert sum(len(portion.order.recipients) for portion in portions_ if portion.order) == 20_000


def test_errors_contain_no_number_or_text_of_a_recipient() -> None:
    faults = faults_of(b"to,name\n+447911123456\n+4479111234560000,Secr\xe9t\n" + b"7" * 1700 + b",Secret\n")

    assert len(faults) == 3
    assert not any("4479" in fault.message or "Secr" in fault.message or "777" in fault.message for fault in faults)


def test_each_thousand_lines_are_one_order() -> None:
    content = "to,name\n" + "".join(f"+23480{n:08},Ada\n" for n in range(2 * PORTION + 1))

    orders = [portion.order for portion in read(content)]

    assert [len(order.recipients) for order in orders if order] == [PORTION, PORTION, 1]


def test_a_named_campaign_has_the_same_keys_when_a_line_is_malformed() -> None:
    lines = [f"+23480{n:08},Ada\n" for n in range(PORTION + 1)]
    whole = read("to,name\n" + "".join(lines), name="spring")
    broken = read("to,name\n" + "".join([",Ada\n", *lines[1:]]), name="spring")

    assert [portion.order and portion.order.idempotency_key for portion in whole] == ["spring/1", "spring/2"]
    assert broken[1].order == whole[1].order


def test_an_equal_portion_has_the_same_request_ids_and_a_different_one_has_not() -> None:
    first, second = "to,name\n+2348012345678,Ada\n", "to,name\n+2348012345679,Ada\n"

    ids = [request_ids(read(content, name="spring")[0], "spring") for content in (first, first, second)]

    assert ids[0] == ids[1]
    assert not set(ids[0]) & set(ids[2])
    assert len(set(ids[0])) == len(ids[0])


def test_an_error_in_the_common_fields_is_raised_and_not_reported_for_a_line() -> None:
    with pytest.raises(BrokenCsvFile, match="sender"):
        list(portions([b"to,name\n", b"+2348012345678,Ada\n"], {**COMMON, "sender": "x" * 30}))


def test_a_portion_of_only_malformed_lines_has_no_order() -> None:
    [portion] = read("to,name\nx\ny\n")

    assert portion.order is None
    assert len(portion.faults) == 2


def test_the_demo_file_has_its_documented_countries_encodings_and_errors() -> None:
    assert Path(CAMPAIGN).name == "demo.csv"
    with CAMPAIGN.open("rb") as lines:
        orders = [portion.order for portion in portions(lines, {**COMMON, "body": TEXT}, judged=False)]
    recipients = [recipient for order in orders if order for recipient in order.recipients]
    numbers = phones.normalise(each.to for each in recipients)
    bodies = templates.render_all(templates.compile(TEXT), {}, [each.merge for each in recipients])
    measures = measure(body for body in bodies if isinstance(body, str))

    assert len(recipients) == 2000
    assert 10 < sum(number is None for number in numbers) < 50
    assert {"NG", "GH", "KE", "CI", "GB", "DE", "IN", "US", "BR", "FR"} <= {each.country for each in numbers if each}
    assert {each.encoding for each in measures} == set(Encoding)
    assert max(each.segments for each in measures) > 1
    assert not any(isinstance(body, Missing) for body in bodies)
