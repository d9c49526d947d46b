"""What Solaris' partners ask for, read from their JSON: an ask, or every fault found in it.

docs.solarisgroup.com/api-reference/requests-and-responses: values neither begin nor end with white space, null is as
good as nothing, names are case-sensitive, fields nobody knows are passed over.
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

#: characters (code points) of a text
LONGEST = 160
#: numbers of the vendor's sandbox: with a test key this number is proven by this code
SANDBOX_NUMBER, SANDBOX_CODE = "+15550101", "212212"

#: how a UUID is written
UUID_FORM = r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"

_UUID = re.compile(UUID_FORM)
_E164 = re.compile(r"\+[1-9][0-9]{6,14}")
#: what is taken out of a number before it is looked at
_PADDING = re.compile(r"[\s\-_/]")
#: characters one number may be written with
_LONGEST_NUMBER = 64


@value_class
class SolarisMessage:
    """One SMS to one person."""

    person: str
    text: str
    #: asked for as the vendor does, and not kept
    purpose: str
    idempotency_key: str

    @property
    def merge(self) -> Mapping[str, str]:
        """Return what lets the text stand as it is: `${x}` is no merge field here."""
        return {name: f"${{{name}}}" for name in templates.compile(self.text).names}


@dataclass(frozen=True, slots=True)
class Confirmation:
    """A code that somebody typed."""

    number: str
    token: str


def message(call: ApiRequest) -> SolarisMessage | list[SolarisFault]:
    """Read `POST /v1/sms/messages`."""
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
    """Read a body with a number; return it as E.164."""
    asked = _Asked.of(call)
    if isinstance(asked, list):
        return asked
    read = asked.phone("number")
    return asked.faults or read


def optional_number(call: ApiRequest) -> str | list[SolarisFault] | None:
    """Read a body that may be missing, and whose number may be; return it as E.164."""
    if not call.body:
        return None
    asked = _Asked.of(call)
    if isinstance(asked, list):
        return asked
    read = asked.phone("number") if "number" in asked.fields else None
    return asked.faults or read


def confirmation(call: ApiRequest) -> Confirmation | list[SolarisFault]:
    """Read `POST …/mobile_number/confirm`."""
    asked = _Asked.of(call)
    if isinstance(asked, list):
        return asked
    read = Confirmation(asked.phone("number"), asked.text("token"))
    return asked.faults or read


def nothing(call: ApiRequest) -> list[SolarisFault] | None:
    """Read a body in which nothing matters but that it is an object."""
    asked = _Asked.of(call)
    return asked if isinstance(asked, list) else None


def is_keepable(word: str) -> bool:
    """Tell whether a word can be looked for in a database: PostgreSQL keeps no NUL."""
    return "\x00" not in word and _is_unicode(word)


class _Asked:
    """The fields of a body, and what was found wrong with them so far."""

    def __init__(self, fields: Mapping[str, Any]) -> None:
        self.fields = fields
        self.faults: list[SolarisFault] = []

    @classmethod
    def of(cls, call: ApiRequest) -> "_Asked | list[SolarisFault]":
        """Return the body's fields but those that are null."""
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
        """Return a field's text, "" where there is a fault."""
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
        """Return a field's UUID in lower case, "" where there is a fault."""
        value = self.text(name)
        if value and not _UUID.fullmatch(value):
            return self._fault(name, "is not a valid UUID")
        return value.lower()

    def phone(self, name: str) -> str:
        """Return a field's number as E.164, "" where there is a fault."""
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
