"""A safe subset of Go's text/template: `{{.name}}`, `{{.user.email}}`, `{{if .known}}…{{end}}`.

Anything else between double braces is refused when the template is created. Fields are looked up in the JSON
variables only: no methods, functions or pipelines. A missing field renders as `<no value>`; values are never
evaluated. Numbers are written as received (Go would write 1234567 from JSON as 1.234567e+06).
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

#: what Go writes for a missing field
NO_VALUE = "<no value>"

_ACTION = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)
_PATH = re.compile(r"(?:\.[^\W\d]\w*)+")
_BLANKS = " \t\r\n"


class InvalidTemplate(ValueError):
    """A template with invalid or unsupported syntax."""


@dataclass(frozen=True, slots=True)
class _Field:
    path: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _If:
    path: tuple[str, ...]
    #: where to continue if the condition is false: the index after its end
    past: int


_Step = str | _Field | _If


@dataclass(frozen=True, slots=True)
class GoTemplate:
    """A compiled template."""

    steps: tuple[_Step, ...]

    @property
    def variables(self) -> tuple[str, ...]:
        """Return the fields it uses, each once, in order of appearance: `user.email`."""
        return tuple(dict.fromkeys(".".join(step.path) for step in self.steps if not isinstance(step, str)))


def compile(text: str) -> GoTemplate:  # noqa: A001
    """Compile a template; InvalidTemplate names the unsupported syntax."""
    steps: list[_Step] = []
    #: indexes of the open ifs
    opened: list[int] = []
    for piece, action in _pieces(text):
        if piece:
            steps.append(piece)
        if action is None:
            continue
        word, _, rest = action.strip(_BLANKS).partition(" ")
        if word == "end" and not rest:
            if not opened:
                raise InvalidTemplate("an {{end}} without an {{if}}")
            place = opened.pop()
            steps[place] = _If(steps[place].path, len(steps))  # type: ignore[union-attr]
        elif word == "if":
            opened.append(len(steps))
            steps.append(_If(_path(rest.strip(_BLANKS)), 0))
        else:
            steps.append(_Field(_path(action.strip(_BLANKS))))
    if opened:
        raise InvalidTemplate("an {{if}} without an {{end}}")
    return GoTemplate(tuple(steps))


def _pieces(text: str) -> Iterator[tuple[str, str | None]]:
    """Yield each piece of text with the action after it; the last has none."""
    start = 0
    for match in _ACTION.finditer(text):
        yield _plain(text[start : match.start()]), match[1]
        start = match.end()
    yield _plain(text[start:]), None


def _plain(piece: str) -> str:
    if "{{" in piece:
        raise InvalidTemplate("an unclosed {{")
    return piece


def _path(word: str) -> tuple[str, ...]:
    if not _PATH.fullmatch(word):
        raise InvalidTemplate("only {{.name}}, {{.name.field}} and {{if .name}}…{{end}} are supported")
    return tuple(word[1:].split("."))


def render(template: GoTemplate, variables: Mapping[str, Any], longest: int) -> str:
    """Render a template; a text of more than `longest` characters is cut to one more than that."""
    pieces: list[str] = []
    room, place = longest + 1, 0
    while place < len(template.steps) and room > 0:
        step = template.steps[place]
        place += 1
        if isinstance(step, _If):
            place = place if _look_up(variables, step.path) else step.past
            continue
        piece = step if isinstance(step, str) else _spelt(_look_up(variables, step.path), room)
        pieces.append(piece[:room])
        room -= len(pieces[-1])
    return "".join(pieces)


def _look_up(variables: Any, path: Sequence[str]) -> Any:
    """Return the value at a path of the JSON variables; None where there is none."""
    found = variables
    for name in path:
        if not isinstance(found, Mapping):
            return None
        found = found.get(name)
    return found


def _spelt(value: Any, room: int) -> str:
    """Return a value as text; much more than `room` characters are omitted."""
    words: list[str] = []
    for word in _words(value, room):
        words.append(word)
        room -= len(word)
        if room <= 0:
            break
    return "".join(words)


def _words(value: Any, room: int) -> Iterator[str]:
    if value is None:
        yield NO_VALUE
    elif isinstance(value, str):
        yield value
    elif isinstance(value, bool):
        yield "true" if value else "false"
    elif isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        yield str(int(value))
    elif isinstance(value, Mapping):
        yield "map["
        # of more than there is room for the order is never visible
        for place, key in enumerate(sorted(value) if len(value) <= room else value):
            yield f" {key}:" if place else f"{key}:"
            yield from _words(value[key], room)
        yield "]"
    elif isinstance(value, Sequence):
        yield "["
        for place, each in enumerate(value):
            yield " " if place else ""
            yield from _words(each, room)
        yield "]"
    else:
        yield str(value)
