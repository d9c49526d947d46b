"""The supported subset of Go's text/template: what it renders, what it refuses, and that it executes nothing."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.rules.text import go_templates
from pipeline.rules.text.go_templates import InvalidTemplate

RENDERED: dict[str, tuple[str, dict[str, Any], str]] = {
    "plain text": ("No field here }} { }", {}, "No field here }} { }"),
    "a field": ("Hi {{.driver_name}}, {{.eta}} min.", {"driver_name": "Chidi", "eta": 3}, "Hi Chidi, 3 min."),
    "blanks within the braces": ("{{ .a }}{{\t.a\n}}", {"a": "x"}, "xx"),
    "a field that is missing": ("Hi {{.name}}", {}, "Hi <no value>"),
    "a field that is null": ("Hi {{.name}}", {"name": None}, "Hi <no value>"),
    "a field within a field": ("{{.user.email}}", {"user": {"email": "a@b"}}, "a@b"),
    "a field within nothing": ("{{.user.email}}", {}, "<no value>"),
    "a field within a text": ("{{.user.email}}", {"user": "x"}, "<no value>"),
    "a name of another script": ("{{.имя}}", {"имя": "Ада"}, "Ада"),
    "an if that holds": ("{{if .first}}Welcome!{{end}} Go", {"first": True}, "Welcome! Go"),
    "an if that does not": ("{{if .first}}Welcome!{{end}} Go", {"first": False}, " Go"),
    "an if on what is missing": ("{{if .a.b}}x{{end}}y", {}, "y"),
    "an if within an if": ("{{if .a}}1{{if .b}}2{{end}}3{{end}}4", {"a": 1, "b": 0}, "134"),
    "an if around an if": ("{{if .a}}1{{if .b}}2{{end}}3{{end}}4", {"a": 0, "b": 1}, "4"),
    "two ifs": ("{{if .a}}1{{end}}{{if .b}}2{{end}}", {"a": 0, "b": 1}, "2"),
    "numbers": ("{{.a}} {{.b}} {{.c}} {{.d}}", {"a": 1234567, "b": 2.0, "c": 2.5, "d": -1}, "1234567 2 2.5 -1"),
    "truth": ("{{.a}} {{.b}}", {"a": True, "b": False}, "true false"),
    "lists and maps, as Go writes them": (
        "{{.a}} {{.b}}",
        {"a": [1, "x"], "b": {"y": 1, "x": 2}},
        "[1 x] map[x:2 y:1]",
    ),
    "a value that looks like a template": ("{{.a}}", {"a": "{{.b}} ${b} {0}", "b": "no"}, "{{.b}} ${b} {0}"),
    "one name of everything": ("{{.__class__}}{{.x.__len__}}", {"x": "y"}, "<no value><no value>"),
}


@pytest.mark.parametrize(("text", "variables", "rendered"), RENDERED.values(), ids=RENDERED)
def test_the_supported_template_syntax_is_rendered(text: str, variables: dict[str, Any], rendered: str) -> None:
    assert go_templates.render(go_templates.compile(text), variables, 1600) == rendered


@pytest.mark.parametrize("empty", [0, 0.0, "", [], {}, None, False])
def test_a_value_that_go_considers_empty_is_false_in_an_if(empty: Any) -> None:
    assert go_templates.render(go_templates.compile("{{if .a}}x{{end}}"), {"a": empty}, 1600) == ""


@pytest.mark.parametrize(
    "text",
    [
        '{{printf "%d" .count}}',
        "{{.count | html}}",
        "{{len .x}}",
        "{{.}}",
        "{{}}",
        "{{ }}",
        "{{.a",
        "{{.a}} {{",
        "{{.a.}}",
        "{{..a}}",
        "{{.1a}}",
        "{{.a-b}}",
        "{{a}}",
        "{{$x := .a}}",
        "{{$x}}",
        "{{- .a -}}",
        "{{/* words */}}",
        "{{end}}",
        "{{if .a}}",
        "{{if}}x{{end}}",
        "{{if .a .b}}x{{end}}",
        "{{if eq .a 1}}x{{end}}",
        "{{if not .a}}x{{end}}",
        "{{if .a}}x{{else}}y{{end}}",
        "{{if .a}}x{{end}}{{end}}",
        "{{range .a}}x{{end}}",
        "{{with .a}}x{{end}}",
        '{{template "a"}}',
        '{{define "a"}}x{{end}}',
        "{{call .f}}",
        "{{.a.b()}}",
        "{{.a[0]}}",
        "{{{.a}}}",
        "{{{{.a}}}}",
    ],
)
def test_unsupported_template_syntax_is_refused_at_compilation(text: str) -> None:
    with pytest.raises(InvalidTemplate):
        go_templates.compile(text)


def test_a_template_lists_its_variables_once_and_in_order() -> None:
    template = go_templates.compile("{{if .vip}}{{.user.name}}{{end}} {{.eta}} {{.eta}}")

    assert template.variables == ("vip", "user.name", "eta")


def test_a_rendered_text_over_the_limit_is_cut_one_character_past_it() -> None:
    template = go_templates.compile("{{.a}}" * 100)

    assert len(go_templates.render(template, {"a": "x" * 1_000_000}, 1600)) == 1601


@given(st.text(alphabet='{}.ab if end\n"$|-', max_size=40))
def test_any_template_text_is_rendered_or_refused(text: str) -> None:
    try:
        template = go_templates.compile(text)
    except InvalidTemplate:
        return
    assert isinstance(go_templates.render(template, {"a": {"b": "x"}}, 1600), str)
    assert isinstance(go_templates.render(template, {}, 1600), str)
