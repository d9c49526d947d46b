"""What an operator says a vendor's answers mean."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from pipeline.carriers.http1 import Answer
from pipeline.carriers.options import Options
from pipeline.carriers.vendors import posts
from pipeline.carriers.vendors.exchange import accepted, refused, throttled, unclear, unknown
from schema.carriage import Attempt
from schema.vocabulary import Outcome


class Word(StrEnum):
    """What an operator says of a code or a status."""

    PERMANENT = "permanent"
    TRANSIENT = "transient"
    THROTTLED = "throttled"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Finder:
    """Where in an answer something is: at a path of its JSON, or where a pattern finds it."""

    path: str
    pattern: re.Pattern[str] | None

    @classmethod
    def read(cls, options: Options, key: str, within: str) -> "Finder":
        """Read it from a setting and its `…_pattern`; ConfigurationError names what does not fit."""
        path, text = options.text(key, ""), options.text(f"{key}_pattern", "")
        try:
            pattern = re.compile(text)
        except re.error:
            raise options.unfit(f"{within}.{key}_pattern", "is no regular expression") from None
        if text and pattern.groups != 1:
            raise options.unfit(f"{within}.{key}_pattern", "must have one group: what it finds")
        return cls(path, pattern if text else None)

    def __bool__(self) -> bool:
        return bool(self.path or self.pattern)

    def find(self, answer: Answer, body: object) -> str | None:
        """Return what is there, None where nothing is."""
        if self.pattern:
            found = self.pattern.search(answer.body.decode("utf-8", "replace"))
            return found[1] if found else None
        return spelt(posts.at(body, self.path)) if self.path else None


@dataclass(frozen=True, slots=True)
class Answers:
    """One kind of request's answers."""

    accepted: frozenset[int]
    where: Mapping[str, frozenset[str | None]]
    ref: Finder
    code: Finder
    codes: Mapping[str, Word]
    statuses: Mapping[int, Word]
    absent: frozenset[int]

    @classmethod
    def read(cls, options: Options, key: str, given: Mapping[str, object]) -> "Answers":
        """Read them from a setting; ConfigurationError names what does not fit."""
        rules = Options(options.carrier, given)
        taken, absent = (Options(options.carrier, rules.mapping(part)) for part in ("accepted", "absent"))
        words = {part: rules.mapping(part) for part in ("codes", "statuses")}
        found = cls(
            accepted=_statuses(taken, f"{key}.accepted.statuses"),
            where={
                path: _values(taken, f"{key}.accepted.where.{path}", values)
                for path, values in taken.mapping("where").items()
            },
            ref=Finder.read(taken, "ref", f"{key}.accepted"),
            code=Finder.read(rules, "code", key),
            codes={code: _word(rules, f"{key}.codes.{code}", word) for code, word in words["codes"].items()},
            statuses={
                _status(rules, f"{key}.statuses", status): _word(rules, f"{key}.statuses.{status}", word)
                for status, word in words["statuses"].items()
            },
            absent=_statuses(absent, f"{key}.absent.statuses"),
        )
        for each in (rules, taken, absent):
            each.finish()
        if not found.accepted:
            raise options.unfit(f"{key}.accepted.statuses", "is required")
        return found

    def judge(self, ref: UUID, answer: Answer) -> Attempt:
        """Return what an answer says of the message with our reference `ref`."""
        body = posts.parsed(answer.body)
        code = self.code.find(answer, body)
        word = self.codes.get(code) if code else None
        if word is None and answer.status in self.accepted and self._holds(body):
            return accepted(ref, self.ref.find(answer, body) if self.ref else str(ref))
        word = word or self.statuses.get(answer.status) or (Word.THROTTLED if answer.status == 429 else Word.UNKNOWN)
        if word is Word.THROTTLED:
            return throttled(ref, answer)
        if word is Word.UNKNOWN:
            return unclear(ref, answer)
        permanent = word is Word.PERMANENT
        return refused(ref, Outcome.REFUSED_PERMANENT if permanent else Outcome.REFUSED_TRANSIENT, code, answer)

    def told(self, ref: UUID, answer: Answer) -> Attempt:
        """Return what the vendor says when asked: that it has the message, that it never heard of it, or neither."""
        if answer.status in self.absent:
            return Attempt(ref, Outcome.NOT_WRITTEN, code=f"http_{answer.status}")
        found = self.judge(ref, answer)
        return found if found.outcome is Outcome.ACCEPTED else unknown(ref, f"http_{answer.status}")

    def _holds(self, body: object) -> bool:
        return all(spelt(posts.at(body, path)) in values for path, values in self.where.items())


def spelt(value: object) -> str | None:
    """Return a JSON value as text: `0` for a number, `true` for a truth, None for what is neither nor text."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, str | int | float) else None


def _values(options: Options, key: str, given: object) -> frozenset[str | None]:
    if not isinstance(given, list) or not given:
        raise options.unfit(key, "must be a list of values")
    return frozenset(map(spelt, given))


def _statuses(options: Options, key: str) -> frozenset[int]:
    given = options.take("statuses") or []
    if not isinstance(given, list):
        raise options.unfit(key, "must be a list of HTTP statuses")
    return frozenset(_status(options, key, each) for each in given)


def _status(options: Options, key: str, given: object) -> int:
    if not str(given).isdecimal() or not 100 <= int(str(given)) <= 599:
        raise options.unfit(key, "must name HTTP statuses")
    return int(str(given))


def _word(options: Options, key: str, given: object) -> Word:
    try:
        return Word(str(given))
    except ValueError:
        raise options.unfit(key, f"must be one of {', '.join(Word)}") from None
