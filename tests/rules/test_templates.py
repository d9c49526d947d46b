"""Merge fields: syntax, values, and that values are not evaluated."""

import re
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.rules.text import templates
from pipeline.rules.text.templates import Missing, render, render_all

unhurried = settings(deadline=None, max_examples=300)
names = st.text(st.sampled_from("abz09_-.é"), min_size=1, max_size=4)
values = st.text(st.one_of(st.sampled_from("$${}a\\%"), st.characters()), max_size=12)
texts = st.lists(
    st.one_of(st.sampled_from(["$", "${", "}", "${}", "a", " ", "%s", "{0}", "\\1"]), names.map("${{{}}}".format))
).map("".join)

WEBEX = "Hello ${firstname},/nyour ${count} service is due by ${date}. Contact us on ${phone}."


def test_the_example_of_the_webex_documentation_is_rendered_as_documented() -> None:
    shared = {"firstname": "user", "phone": "+447709873XXX"}
    each = [
        {"count": "first", "date": "15th Jan, 2025"},
        {"firstname": "Mark", "count": "second", "date": "20th Jan, 2025"},
    ]

    filled = render_all(templates.compile(WEBEX), shared, each)

    assert filled == [
        "Hello user,/nyour first service is due by 15th Jan, 2025. Contact us on +447709873XXX.",
        "Hello Mark,/nyour second service is due by 20th Jan, 2025. Contact us on +447709873XXX.",
    ]


def test_a_template_lists_its_merge_fields_once_in_order_of_appearance() -> None:
    assert templates.compile(WEBEX).names == ("firstname", "count", "date", "phone")
    assert templates.compile("${b} ${a} ${b}").names == ("b", "a")
    assert templates.compile("nothing to fill").names == ()


@pytest.mark.parametrize(
    "name", ["a", "firstName", "first_name", "first-name", "a.b", "1", "_", "-", ".", "prénom", "имя"]
)
def test_a_merge_field_name_has_letters_digits_underscores_dashes_and_dots(name: str) -> None:
    template = templates.compile(f"<${{{name}}}>")

    assert template.names == (name,)
    assert render(template, {}, {name: "x"}) == "<x>"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "$",
        "$$",
        "costs $5",
        "$$CODE$$",
        "$name",
        "{name}",
        "{{.name}}",
        "${}",
        "${ name }",
        "${name",
        "${first name}",
        "${a:>10}",
        "${a!r}",
        "${a[0]}",
        "${a()}",
        "${\n}",
        "%s %(a)s {0} \\1",
    ],
)
def test_malformed_merge_fields_are_literal_text(text: str) -> None:
    template = templates.compile(text)

    assert template.names == ()
    assert render(template, {"name": "x", "a": "x"}, {}) == text


@pytest.mark.parametrize(
    ("text", "filled"),
    [("$${a}", "$1"), ("${${a}}", "${1}"), ("${a}${a}", "11"), ("${a}}", "1}"), ("${b${a}", "${b1"), ("${a}$", "1$")],
)
def test_a_merge_field_is_found_among_stray_dollars_and_braces(text: str, filled: str) -> None:
    assert render(templates.compile(text), {"a": "1"}, {}) == filled


def test_a_recipient_s_own_value_takes_precedence_even_when_it_is_empty() -> None:
    template = templates.compile("Hi ${name}!")

    assert render_all(template, {"name": "all"}, [{"name": "Ada"}, {}, {"name": ""}]) == ["Hi Ada!", "Hi all!", "Hi !"]


def test_missing_merge_fields_are_returned_in_order_and_other_recipients_are_rendered() -> None:
    template = templates.compile("${a} ${b} ${c} ${b}")

    filled = render_all(template, {"a": "1"}, [{"b": "2", "c": "3"}, {}, {"c": "3"}])

    assert filled == ["1 2 3 2", Missing(("b", "c")), Missing(("b",))]


def test_a_dotted_name_is_a_key_and_never_a_path() -> None:
    assert render(templates.compile("${a.b}"), {"a.b": "key"}, {"a": "x"}) == "key"
    assert render(templates.compile("${a.__class__}"), {"a": "x"}, {}) == Missing(("a.__class__",))


@pytest.mark.parametrize("value", ["${b}", "${a}", "$", "{0}", "%s", "\\1", "\\g<0>", "{{b}}"])
def test_merge_fields_within_a_value_are_not_evaluated(value: str) -> None:
    assert render(templates.compile("${a}|${b}"), {"b": "no"}, {"a": value}) == f"{value}|no"


def test_unknown_merge_fields_stay_when_each_defaults_to_its_own_spelling() -> None:
    template = templates.compile("Hi ${name}, ${what}?")
    standing = {name: f"${{{name}}}" for name in template.names}

    assert render(template, standing, {"name": "Ada"}) == "Hi Ada, ${what}?"


def test_control_characters_are_removed_from_values_except_line_breaks_tabs_and_form_feeds() -> None:
    every = "".join(chr(code) for code in range(0x110000) if unicodedata.category(chr(code)) == "Cc")

    assert render(templates.compile("${a}"), {}, {"a": f"x{every}y"}) == "x\t\n\f\ry"
    assert render(templates.compile("${a}"), {"a": f"x{every}y"}, {}) == "x\t\n\f\ry"


def test_control_characters_of_the_template_itself_are_kept() -> None:
    assert render(templates.compile("\x07${a}\x1b"), {}, {"a": "\x07"}) == "\x07\x1b"


def test_joiners_and_spaces_of_other_scripts_are_kept_in_values() -> None:
    value = "👩\u200d👧 \u00a0\u200f\u2028 नमस्\u200dते"

    assert render(templates.compile("${a}"), {}, {"a": value}) == value


def test_a_rendered_text_over_the_limit_is_cut_one_character_past_it() -> None:
    template = templates.compile("${a}${a}")

    filled = render_all(template, {}, [{"a": "x" * 8}, {"a": "x" * 5}, {"a": "x" * 9000}], longest=10)

    assert filled == ["x" * 11, "x" * 10, "x" * 11]


def test_a_template_is_rendered_for_any_number_of_recipients() -> None:
    template = templates.compile("${n}")

    assert render_all(template, {}, ({"n": str(n)} for n in range(1000))) == [str(n) for n in range(1000)]
    assert render_all(template, {}, []) == []


@given(texts, st.dictionaries(names, values), st.dictionaries(names, values))
@unhurried
def test_rendering_replaces_every_merge_field_in_one_pass(
    text: str, shared: dict[str, str], own: dict[str, str]
) -> None:
    fields = shared | own
    wanted = dict.fromkeys(re.findall(r"\$\{([\w.\-]+)\}", text))
    missing = tuple(name for name in wanted if name not in fields)

    filled = render(templates.compile(text), shared, own)

    if missing:
        assert filled == Missing(missing)
    else:
        assert filled == re.sub(r"\$\{([\w.\-]+)\}", lambda field: _kept(fields[field[1]]), text)


def _kept(value: str) -> str:
    return "".join(char for char in value if unicodedata.category(char) != "Cc" or char in "\t\n\f\r")
