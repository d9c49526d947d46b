"""Parses Solaris' request bodies: JSON into values, or all errors found.

docs.solarisgroup.com/api-reference/requests-and-responses: values neither begin nor end with white space, null is the
same as absent, names are case-sensitive, unknown fields are ignored.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.dialects.solaris.errors import ERRORS, INVALID, WRONG_TYPE, SolarisFault
from pipeline.rules.numbers import phones
from pipeline.rules.text import templates
from schema.api import ApiRequest
from schema.value_class import value_class
from schema.vocabulary import Code

#: most characters (code points) of a text
LONGEST = 160
#: number and code of the vendor's sandbox: a test key verifies this number with this code
SANDBOX_NUMBER, SANDBOX_CODE = "+15550101", "212212"

#: pattern of a UUID
UUID_FORM = r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"

_UUID = re.compile(UUID_FORM)
_E164 = re.compile(r"\+[1-9][0-9]{6,14}")
#: characters that are removed from a number before it is parsed
_PADDING = re.compile(r"[\s\-_/]")
#: most characters of a number as it is written
_LONGEST_NUMBER = 64


@value_class
class SolarisMessage:
    """One SMS to one person."""

    person: str
    text: str
    #: required, as at the vendor, but not stored
    purpose: str
    idempotency_key: str

    @property
    def merge(self) -> Mapping[str, str]:
        """The merge values that leave the text unchanged: `${x}` is no merge field in this API."""
        return {name: f"${{{name}}}" for name in templates.compile(self.text).names}


@dataclass(frozen=True, slots=True)
class Confirmation:
    """A verification code that was entered for a number."""

    number: str
    token: str


def message(call: ApiRequest) -> SolarisMessage | list[SolarisFault]:
    """Parse `POST /v1/sms/messages`; return the message, or all errors."""
    asked = _Asked.of(call)
    if isinstance(asked, list):
        return asked
    read = SolarisMessage(
        person=asked.text("person_id"),
        text=asked.text("text", LONGEST),
        purpose=asked.text("purpose"),
        idempotency_key=asked.uuid("idempotency_key"),
    )
    return asked.faults or read


def number(call: ApiRequest) -> str | list[SolarisFault]:
    """Parse a body with a number; return the number as E.164, or all errors."""
    asked = _Asked.of(call)
    if isinstance(asked, list):
        return asked
    read = asked.phone("number")
    return asked.faults or read


def optional_number(call: ApiRequest) -> str | list[SolarisFault] | None:
    """Parse an optional body with an optional number; return the number as E.164, None, or all errors."""
    if not call.body:
        return None
    asked = _Asked.of(call)
    if isinstance(asked, list):
        return asked
    read = asked.phone("number") if "number" in asked.fields else None
    return asked.faults or read


def confirmation(call: ApiRequest) -> Confirmation | list[SolarisFault]:
    """Parse `POST …/mobile_number/confirm`; return the code and its number, or all errors."""
    asked = _Asked.of(call)
    if isinstance(asked, list):
        return asked
    read = Confirmation(asked.phone("number"), asked.text("token"))
    return asked.faults or read


def nothing(call: ApiRequest) -> list[SolarisFault] | None:
    """Parse a body whose fields are ignored; return None if it is a JSON object, else the errors."""
    asked = _Asked.of(call)
    return asked if isinstance(asked, list) else None


def is_keepable(word: str) -> bool:
    """Return whether PostgreSQL can store a text: Unicode without NUL."""
    return "\x00" not in word and _is_unicode(word)


class _Asked:
    """The fields of a body, and the errors found in them so far."""

    def __init__(self, fields: Mapping[str, Any]) -> None:
        self.fields = fields
        self.faults: list[SolarisFault] = []

    @classmethod
    def of(cls, call: ApiRequest) -> "_Asked | list[SolarisFault]":
        """Return the body's fields that are not null, or the errors."""
        media = call.headers.get("content-type", "").partition(";")[0].strip().lower()
        if media and media != "application/json" and not media.endswith("+json"):
            return [SolarisFault(ERRORS[Code.MEDIA_UNKNOWN])]
        try:
            found = json.loads(call.body.decode())
        except (ValueError, RecursionError):
            return [SolarisFault(ERRORS[Code.BAD_JSON])]
        if not isinstance(found, dict):
            return [SolarisFault(WRONG_TYPE, "the request body must be an object")]
        return cls({name: value for name, value in found.items() if value is not None})

    def text(self, name: str, longest: int | None = None) -> str:
        """Return a field's text, "" if it is invalid."""
        value = self.fields.get(name)
        if value is None or value == "":
            return self._fault(name, "can't be blank")
        if not isinstance(value, str):
            return self._fault(name, "must be a string", WRONG_TYPE)
        if not is_keepable(value):
            return self._fault(name, "must be Unicode text without NUL")
        if value != value.strip():
            return self._fault(name, "must not begin or end with white space")
        if longest is not None and len(value) > longest:
            return self._fault(name, f"is too long (maximum is {longest} characters)")
        return value

    def uuid(self, name: str) -> str:
        """Return a field's UUID in lower case, "" if it is invalid."""
        value = self.text(name)
        if value and not _UUID.fullmatch(value):
            return self._fault(name, "is not a valid UUID")
        return value.lower()

    def phone(self, name: str) -> str:
        """Return a field's number as E.164, "" if it is invalid."""
        value = self.text(name)
        if not value:
            return ""
        bare = _PADDING.sub("", value[:_LONGEST_NUMBER])
        if bare == SANDBOX_NUMBER:
            return bare
        [found] = phones.normalise([bare]) if _E164.fullmatch(bare) else [None]
        return found.e164 if found else self._fault(name, "is invalid")

    def _fault(self, name: str, message: str, words: Any = INVALID) -> str:
        self.faults.append(SolarisFault(words, f"{name} {message}", name, message))
        return ""


def _is_unicode(word: str) -> bool:
    try:
        word.encode()
    except UnicodeEncodeError:
        return False
    return True
