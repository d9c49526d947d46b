"""What becomes of the lines of a CSV file."""

from pathlib import Path
from typing import Any

import pytest

from pipeline.rules import phones, templates
from pipeline.rules.segments import measure
from pipeline.rules.templates import Missing
from schema.order import Order
from schema.vocabulary import Encoding
from workers.campaign import PORTION, BrokenFile, Fault, Portion, portions, request_id
from workers.showcase.tour import CAMPAIGN, TEXT

COMMON: dict[str, Any] = {"account": "acme", "sender": "ACME", "body": "Hello ${name}"}


def read(content: str | bytes, **options: Any) -> list[Portion]:
    lines = content.encode() if isinstance(content, str) else content
    return list(portions(lines.splitlines(keepends=True), COMMON, **options))


def order_of(content: str | bytes, **options: Any) -> Order:
    [portion] = read(content, **options)
    assert portion.order is not None
    return portion.order


def faults_of(content: str | bytes, **options: Any) -> list[Fault]:
    return [fault for portion in read(content, **options) for fault in portion.faults]


def test_each_line_is_a_recipient_and_each_other_column_a_merge_field() -> None:
    order = order_of("to,name,correlation_id\n+2348012345678,Ada,a-1\n+447911123456,Ben,\n")

    first, second = order.recipients
    assert (first.to, first.merge, first.correlation_id) == ("+2348012345678", {"name": "Ada"}, "a-1")
    assert (second.to, second.merge, second.correlation_id) == ("+447911123456", {"name": "Ben"}, None)


@pytest.mark.parametrize("header", ["to", "phone", "number", "msisdn", "Phone", " TO "])
def test_the_column_of_numbers_goes_by_several_names(header: str) -> None:
    assert order_of(f"name,{header}\nAda,+2348012345678\n").recipients[0].to == "+2348012345678"


def test_any_column_can_be_said_to_hold_the_numbers() -> None:
    order = order_of("to,Mobile No\nAda,+2348012345678\n", column="Mobile No")

    assert order.recipients[0].to == "+2348012345678"
    assert order.recipients[0].merge == {"to": "Ada"}


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_comma_a_semicolon_or_a_tab_stands_between_cells(delimiter: str) -> None:
    content = delimiter.join(["to", "name"]) + "\n" + delimiter.join(["+2348012345678", "Ada"]) + "\n"

    assert order_of(content).recipients[0].merge == {"name": "Ada"}


def test_a_byte_order_mark_windows_line_ends_and_blank_lines_do_no_harm() -> None:
    order = order_of("\ufeffto,name\r\n\r\n+2348012345678,Ada\r\n\r\n")

    assert [each.to for each in order.recipients] == ["+2348012345678"]


def test_a_cell_in_quotation_marks_may_hold_commas_and_lines() -> None:
    assert order_of('to,name\n+2348012345678,"Ada, the\nfirst"\n').recipients[0].merge == {"name": "Ada, the\nfirst"}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "the file is empty"),
        ("+2348012345678,Ada\n", "no column is called to or phone or number or msisdn"),
        ("name,city\nAda,Lagos\n", "no column is called to"),
        ("to,name,name\n+2348012345678,Ada,Ada\n", "two columns are called 'name'"),
        ("to,,name\n+2348012345678,x,Ada\n", "column 2 has no name"),
        ("to,näme\n".encode("latin-1"), "not UTF-8"),
        ("to,name\n+2348012345678,Ada\n".encode("utf-16"), "UTF-16"),
    ],
    ids=["empty", "no header", "no number column", "same name twice", "nameless column", "latin-1", "utf-16"],
)
def test_a_file_without_a_usable_header_is_refused_whole(content: str | bytes, words: str) -> None:
    with pytest.raises(BrokenFile, match=words):
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
    ],
    ids=["too few cells", "too many cells", "no number", "a blank number", "not UTF-8", "long number", "long field"],
)
def test_a_broken_line_is_told_with_its_number_and_the_others_go(line: bytes, words: str) -> None:
    content = b"to,name\n+2348012345678,Ada\n" + line + b"\n+4915112345678,Eve\n"

    assert faults_of(content) == [Fault(3, words)]
    assert [each.merge["name"] for each in order_of(content).recipients] == ["Ada", "Eve"]


def test_lines_are_counted_as_an_editor_counts_them() -> None:
    content = 'to,name\n+2348012345678,"Ada\nB."\n\n+447911123456\n'

    assert [fault.line for fault in faults_of(content)] == [5]


def test_a_quotation_mark_without_its_partner_is_suspected() -> None:
    [fault] = faults_of('to,name\n"+2348012345678,Ada\n+447911123456,Ben\n')

    assert fault.line == 2
    assert "runs on to line 3: a quotation mark without its partner?" in fault.message


def test_a_cell_without_an_end_costs_some_lines_not_the_file() -> None:
    content = 'to,name\n"+2348012345678,Ada\n' + "+447911123456,Ben\n" * 20_000

    portions_ = read(content)

    assert [fault.line for portion in portions_ for fault in portion.faults] == [2]
    assert sum(len(portion.order.recipients) for portion in portions_ if portion.order) > 10_000


def test_a_fault_tells_nothing_of_a_person() -> None:
    faults = faults_of(b"to,name\n+447911123456\n+4479111234560000,Secr\xe9t\n" + b"7" * 1700 + b",Secret\n")

    assert len(faults) == 3
    assert not any("4479" in fault.message or "Secr" in fault.message or "777" in fault.message for fault in faults)


def test_a_thousand_lines_are_an_order() -> None:
    content = "to\n" + "".join(f"+23480{n:08}\n" for n in range(2 * PORTION + 1))

    orders = [portion.order for portion in read(content)]

    assert [len(order.recipients) for order in orders if order] == [PORTION, PORTION, 1]


def test_a_named_campaign_keeps_its_keys_when_a_line_is_broken() -> None:
    lines = [f"+23480{n:08}\n" for n in range(PORTION + 1)]
    whole = read("to\n" + "".join(lines), name="spring")
    broken = read("to\n" + "".join(["\t\n", *lines[1:]]), name="spring")

    assert [portion.order and portion.order.idempotency_key for portion in whole] == ["spring/1", "spring/2"]
    assert broken[1].order == whole[1].order


def test_the_same_portion_is_the_same_request_and_another_is_not() -> None:
    first, second = "to\n+2348012345678\n", "to\n+2348012345679\n"

    ids = [request_id(read(content, name="spring")[0], "spring") for content in (first, first, second)]

    assert ids[0] == ids[1] != ids[2]
    assert request_id(read(first)[0], None) is None


def test_a_fault_of_the_order_itself_is_no_fault_of_a_line() -> None:
    with pytest.raises(BrokenFile, match="sender"):
        list(portions([b"to\n", b"+2348012345678\n"], {**COMMON, "sender": "x" * 30}))


def test_a_portion_of_broken_lines_alone_is_no_order() -> None:
    [portion] = read("to,name\nx\ny\n")

    assert portion.order is None
    assert len(portion.faults) == 2


def test_the_demo_s_file_has_what_it_promises() -> None:
    assert Path(CAMPAIGN).name == "demo.csv"
    with CAMPAIGN.open("rb") as lines:
        orders = [portion.order for portion in portions(lines, {**COMMON, "body": TEXT})]
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
