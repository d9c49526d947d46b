"""The part of Go's text/template that a text needs: `{{.name}}`, `{{.user.email}}`, `{{if .known}}…{{end}}`.

Everything else between double braces is refused when the template is written. A field is looked up in what JSON gave
us and in nothing else: no method, no function, no pipe. What is not there renders as `<no value>`; a value is data and
is never looked into. Numbers are written as they came (Go would write 1234567 from JSON as 1.234567e+06).
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

#: what Go writes for a field that is not there
NO_VALUE = "<no value>"

_ACTION = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)
_PATH = re.compile(r"(?:\.[^\W\d]\w*)+")
_BLANKS = " \t\r\n"


class InvalidTemplate(ValueError):
    """A template that is none, or asks for more than we do."""


@dataclass(frozen=True, slots=True)
class _Field:
    path: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _If:
    path: tuple[str, ...]
    #: where to go on when it does not hold: the place after its end
    past: int


_Step = str | _Field | _If


@dataclass(frozen=True, slots=True)
class GoTemplate:
    """A template taken apart."""

    steps: tuple[_Step, ...]

    @property
    def variables(self) -> tuple[str, ...]:
        """Return the fields it looks up, each once, in order of appearance: `user.email`."""
        return tuple(dict.fromkeys(".".join(step.path) for step in self.steps if not isinstance(step, str)))


def compile(text: str) -> GoTemplate:  # noqa: A001
    """Take a template apart; Unreadable says what it has that is not ours."""
    steps: list[_Step] = []
    #: places of the ifs that are open
    opened: list[int] = []
    for piece, action in _pieces(text):
        if piece:
            steps.append(piece)
        if action is None:
            continue
        word, _, rest = action.strip(_BLANKS).partition(" ")
        if word == "end" and not rest:
            if not opened:
                raise InvalidTemplate("an {{end}} without its {{if}}")
            place = opened.pop()
            steps[place] = _If(steps[place].path, len(steps))  # type: ignore[union-attr]
        elif word == "if":
            opened.append(len(steps))
            steps.append(_If(_path(rest.strip(_BLANKS)), 0))
        else:
            steps.append(_Field(_path(action.strip(_BLANKS))))
    if opened:
        raise InvalidTemplate("an {{if}} without its {{end}}")
    return GoTemplate(tuple(steps))


def _pieces(text: str) -> Iterator[tuple[str, str | None]]:
    """Yield each stretch of text with the action behind it; the last has none."""
    start = 0
    for match in _ACTION.finditer(text):
        yield _plain(text[start : match.start()]), match[1]
        start = match.end()
    yield _plain(text[start:]), None


def _plain(piece: str) -> str:
    if "{{" in piece:
        raise InvalidTemplate("a {{ that is never closed")
    return piece


def _path(word: str) -> tuple[str, ...]:
    if not _PATH.fullmatch(word):
        raise InvalidTemplate("only {{.name}}, {{.name.field}} and {{if .name}}…{{end}} are understood")
    return tuple(word[1:].split("."))


def render(template: GoTemplate, variables: Mapping[str, Any], longest: int) -> str:
    """Fill a template in; a text of more than `longest` characters comes back cut to one more than that."""
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
    """Return what JSON put there; None where there is nothing."""
    found = variables
    for name in path:
        if not isinstance(found, Mapping):
            return None
        found = found.get(name)
    return found


def _spelt(value: Any, room: int) -> str:
    """Return a value as text; what is much longer than there is room for is left off."""
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
        # of more than there is room for nobody sees the order
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
