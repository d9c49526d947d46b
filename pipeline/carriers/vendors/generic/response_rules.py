"""Response rules of a generic vendor: which responses mean accepted, refused, throttled or unknown."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from pipeline.carriers.http1 import HttpResponse
from pipeline.carriers.setting_reader import SettingReader
from pipeline.carriers.vendors import posted_receipts
from pipeline.carriers.vendors.generic import error_pages
from pipeline.carriers.vendors.scalar_parsers import decoded
from pipeline.carriers.vendors.vendor_client import accepted, refused_as, throttled, unknown, unknown_response
from schema.carriage import Attempt
from schema.vocabulary import Outcome


class ResponseMeaning(StrEnum):
    """The meanings an operator may assign to a code or a status."""

    PERMANENT = "permanent"
    TRANSIENT = "transient"
    THROTTLED = "throttled"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class ValueLocator:
    """Where a value is in a response: at a path of its JSON, or where a pattern matches its text."""

    path: str
    pattern: re.Pattern[str] | None

    @classmethod
    def read(cls, options: SettingReader, key: str, within: str) -> "ValueLocator":
        """Read it from a setting and its `…_pattern`; ConfigurationError names the invalid one."""
        path, text = options.text(key, ""), options.text(f"{key}_pattern", "")
        pattern = _pattern(options, f"{within}.{key}_pattern", text)
        if text and pattern.groups != 1:
            raise options.unfit(f"{within}.{key}_pattern", "must have one group: the value")
        return cls(path, pattern if text else None)

    def __bool__(self) -> bool:
        return bool(self.path or self.pattern)

    def find(self, body: object, text: str) -> str | None:
        """Return the value, None where there is none."""
        if self.pattern:
            found = self.pattern.search(text)
            return found[1] if found else None
        return posted_receipts.spelt(posted_receipts.at(body, self.path)) if self.path else None


@dataclass(frozen=True, slots=True)
class TextCondition:
    """A condition on a text: equal to one of some texts, a prefix, or a pattern that matches in it."""

    equals: frozenset[str]
    begins: tuple[str, ...]
    pattern: re.Pattern[str] | None

    @classmethod
    def read(cls, options: SettingReader, key: str) -> "TextCondition":
        """Read it from settings; ConfigurationError names the invalid part."""
        equals, begins = (_texts(options, key, part) for part in ("equals", "begins"))
        spelt = options.text("pattern", "")
        if not (equals or begins or spelt):
            raise options.unfit(key, "must have equals, begins or pattern")
        return cls(frozenset(equals), tuple(begins), _pattern(options, f"{key}.pattern", spelt) if spelt else None)

    def holds(self, text: str) -> bool:
        """Tell whether a text meets it, ignoring space around the text."""
        return text in self.equals or text.startswith(self.begins) or bool(self.pattern and self.pattern.search(text))


@dataclass(frozen=True, slots=True)
class ResponseCondition:
    """Conditions on a response besides its status: values at paths of its JSON, and its text."""

    where: Mapping[str, frozenset[str | None]]
    text: TextCondition | None

    @classmethod
    def read(cls, options: SettingReader, key: str) -> "ResponseCondition":
        """Read them from settings; ConfigurationError names the invalid part."""
        where = {
            path: _values(options, f"{key}.where.{path}", values) for path, values in options.mapping("where").items()
        }
        inner = SettingReader(options.carrier, given) if (given := options.mapping("text")) else None
        text = TextCondition.read(inner, f"{key}.text") if inner else None
        if inner:
            inner.finish()
        return cls(where, text)

    def __bool__(self) -> bool:
        return bool(self.where or self.text)

    def holds(self, body: object, text: str) -> bool:
        """Tell whether a response meets all of them."""
        if self.where and not isinstance(body, dict | list):
            return False  # text that is not JSON has no values, and must not match null
        said = all(
            _is_among(posted_receipts.spelt(posted_receipts.at(body, path)), values)
            for path, values in self.where.items()
        )
        return said and (self.text is None or self.text.holds(text))


class ResponseRules:
    """The response rules of one kind of request."""

    def __init__(self, options: SettingReader, key: str, given: Mapping[str, object]) -> None:
        """Read them from a setting; ConfigurationError names the invalid part."""
        rules = SettingReader(options.carrier, given)
        taken, absent = (SettingReader(options.carrier, rules.mapping(part)) for part in ("accepted", "absent"))
        self._accepted = _statuses(taken, f"{key}.accepted.statuses")
        self._accepted_if = ResponseCondition.read(taken, f"{key}.accepted")
        self._absent, self._absent_if = (
            _statuses(absent, f"{key}.absent.statuses"),
            ResponseCondition.read(absent, f"{key}.absent"),
        )
        self._ref, self._code = (
            ValueLocator.read(taken, "ref", f"{key}.accepted"),
            ValueLocator.read(rules, "code", key),
        )
        self._codes = {code: _word(rules, f"{key}.codes.{code}", word) for code, word in rules.mapping("codes").items()}
        self._statuses = {
            _status(rules, f"{key}.statuses", status): _word(rules, f"{key}.statuses.{status}", word)
            for status, word in rules.mapping("statuses").items()
        }
        self._texts = _meanings(rules, f"{key}.texts")
        for each in (rules, taken, absent):
            each.finish()
        if not self._accepted:
            raise options.unfit(f"{key}.accepted.statuses", "is required")

    def judge(self, ref: UUID, answer: HttpResponse) -> Attempt:
        """Return the attempt for the message with our reference `ref`, by its response."""
        body, text = posted_receipts.parsed(answer.body), decoded(answer.body).strip()
        code = self._code.find(body, text)
        word = self._codes.get(code) if code else None
        word = word or next((word for match, word in self._texts if match.holds(text)), None)
        if word is None and answer.status in self._accepted and self._is_taken(answer, body, text):
            return accepted(ref, self._ref.find(body, text) if self._ref else str(ref))
        word = (
            word
            or self._statuses.get(answer.status)
            or (ResponseMeaning.THROTTLED if answer.status == 429 else ResponseMeaning.UNKNOWN)
        )
        if word is ResponseMeaning.THROTTLED:
            return throttled(ref, answer)
        if word is ResponseMeaning.UNKNOWN:
            return unknown_response(ref, answer)
        permanent = word is ResponseMeaning.PERMANENT
        return refused_as(ref, Outcome.REFUSED_PERMANENT if permanent else Outcome.REFUSED_TRANSIENT, code, answer)

    def judge_status(self, ref: UUID, answer: HttpResponse) -> Attempt:
        """Return the attempt by a status query: the vendor has the message, never got it, or does not say."""
        body, text = posted_receipts.parsed(answer.body), decoded(answer.body).strip()
        if answer.status in self._absent and self._absent_if.holds(body, text) and not error_pages.is_page(text):
            return Attempt(ref, Outcome.NOT_WRITTEN, code=f"http_{answer.status}")
        found = self.judge(ref, answer)
        return found if found.outcome is Outcome.ACCEPTED else unknown(ref, f"http_{answer.status}")

    def _is_taken(self, answer: HttpResponse, body: object, text: str) -> bool:
        """Tell whether a response with an accepted status means that the message was accepted.

        An HTML page never does unless a condition requires its text. Where there are no conditions but the status,
        an empty response and one that reports an error do not.
        """
        if error_pages.is_page(text) and not self._accepted_if.text:
            return False
        if self._accepted_if:
            return self._accepted_if.holds(body, text)
        if not text:
            return answer.status == 204
        return not (error_pages.is_error_by(body) if body is not None else error_pages.is_error_in(text))


def _values(options: SettingReader, key: str, given: object) -> frozenset[str | None]:
    if not isinstance(given, list) or not given:
        raise options.unfit(key, "must be a list of values")
    return frozenset(map(posted_receipts.spelt, given))


def _is_among(given: str | None, values: frozenset[str | None]) -> bool:
    """Tell whether a value is among these: booleans in any letter case, space around it ignored."""
    if given is None or given in values:
        return given in values
    given = given.strip()
    return given in values or (given.lower() in ("true", "false") and given.lower() in values)


def _statuses(options: SettingReader, key: str) -> frozenset[int]:
    given = options.take("statuses") or []
    if not isinstance(given, list):
        raise options.unfit(key, "must be a list of HTTP statuses")
    return frozenset(_status(options, key, each) for each in given)


def _status(options: SettingReader, key: str, given: object) -> int:
    if not str(given).isdecimal() or not 100 <= int(str(given)) <= 599:
        raise options.unfit(key, "must name HTTP statuses")
    return int(str(given))


def _word(options: SettingReader, key: str, given: object) -> ResponseMeaning:
    try:
        return ResponseMeaning(str(given))
    except ValueError:
        raise options.unfit(key, f"must be one of {', '.join(ResponseMeaning)}") from None


def _meanings(options: SettingReader, key: str) -> list[tuple[TextCondition, ResponseMeaning]]:
    """Take the texts that mean something other than accepted."""
    found, given = [], options.take("texts") or []
    if not isinstance(given, list) or not all(isinstance(each, Mapping) for each in given):
        raise options.unfit(key, "must be a list of objects")
    for place, each in enumerate(given):
        inner = SettingReader(options.carrier, each)
        means = _word(inner, f"{key}.{place}.means", inner.take("means"))
        found.append((TextCondition.read(inner, f"{key}.{place}"), means))
        inner.finish()
    return found


def _texts(options: SettingReader, key: str, part: str) -> list[str]:
    """Take a text, or a list of texts."""
    given = options.take(part)
    listed = [] if given is None else given if isinstance(given, list) else [given]
    texts = [each for each in listed if isinstance(each, str)]
    if len(texts) < len(listed):
        raise options.unfit(f"{key}.{part}", "must be a text, or a list of texts")
    return [each.strip() if part == "equals" else each for each in texts]


def _pattern(options: SettingReader, key: str, text: str) -> re.Pattern[str]:
    try:
        return re.compile(text)
    except re.error:
        raise options.unfit(key, "is not a regular expression") from None
