"""Merge-field templates: `${name}` in a text, replaced in one pass.

A name is letters and digits of any script, `_`, `-` and `.`; it is the key of a plain mapping, so
`${a.b}` is the field "a.b". Anything else is literal text: `$`, `$$`, `${}`, `${ name }`, an unclosed `${`. A value
is data: a `${name}` in it is not replaced. (An API that leaves unknown fields unchanged passes each with its own
source text: `{"x": "${x}"}`.)
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

_FIELD = re.compile(r"\$\{([\w.\-]+)\}")
#: control characters (Unicode's Cc) but tab, line feed, form feed and carriage return
_CONTROLS = re.compile("[\x00-\x08\x0b\x0e-\x1f\x7f-\x9f]")


@dataclass(frozen=True, slots=True)
class Template:
    """A compiled template."""

    #: text and names in turn, beginning and ending with text
    pieces: tuple[str, ...]
    #: its merge fields, each once, in order of appearance
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Missing:
    """The merge fields without a value, in order of appearance; returned in place of a text."""

    names: tuple[str, ...]


def compile(text: str) -> Template:  # noqa: A001
    """Compile a text; every text is a valid template."""
    pieces = tuple(_FIELD.split(text))
    return Template(pieces=pieces, names=tuple(dict.fromkeys(pieces[1::2])))


def spell(template: Template, given: Mapping[str, str]) -> dict[str, str]:
    """Return fields for all recipients, renamed to the spelling in the text: names are compared without case."""
    folded = {name.strip().casefold(): value for name, value in given.items()}
    spelt = {name: given.get(name, folded.get(name.casefold())) for name in template.names}
    return {**given, **{name: value for name, value in spelt.items() if value is not None}}


def render(template: Template, shared: Mapping[str, str], own: Mapping[str, str]) -> str | Missing:
    """Fill in one recipient's fields, which override the shared ones; return the text, or what is missing."""
    return render_all(template, shared, [own])[0]


def render_all(
    template: Template,
    shared: Mapping[str, str],
    each: Iterable[Mapping[str, str]],
    longest: int | None = None,
) -> list[str | Missing]:
    """Render each recipient's text, as `render` does; return the texts in the recipients' order.

    Control characters are removed from values, not from the template. A text of more than `longest` characters is
    cut to one more than that: enough to refuse it, and ten thousand of them do not fill the memory.
    """
    defaults = {name: _clean(shared[name]) for name in template.names if name in shared}
    stop = None if longest is None else longest + 1
    return [_fill(template, defaults, own, stop) for own in each]


def _fill(template: Template, defaults: dict[str, str], own: Mapping[str, str], stop: int | None) -> str | Missing:
    pieces = list(template.pieces)
    try:
        pieces[1::2] = [_clean(own[name]) if name in own else defaults[name] for name in pieces[1::2]]
    except KeyError:
        return Missing(tuple(name for name in template.names if name not in own and name not in defaults))
    return "".join(pieces)[:stop]


def _clean(value: str) -> str:
    return value if value.isprintable() else _CONTROLS.sub("", value)
