"""The search for messages as its form, its address and its filter have it.

A number is in no address, for these are kept in histories and logs: it is encrypted there, by the secret key, so that
an address can be shared with other users of the console.
"""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass

from pipeline.errors import ConfigurationError, InvalidInput, NotFound
from pipeline.stages.admin.account_names import account_names
from pipeline.stages.admin.find_messages import e164
from pipeline.stages.api.account_messages import MessageFilter
from pipeline.stages.campaigns.results import masked_number
from schema.vocabulary import Status
from workers.console.console_routes import ConsoleRequest

#: fields of the form, and of the address
FIELDS = ("q", "to", "country", "account", "status", "sender", "since", "until", "test")
#: what numbers in addresses are encrypted for
_PURPOSE = "console_number_search"
#: fewest digits of a number
_DIGITS = 6


@dataclass(frozen=True, slots=True)
class MessageSearchFields:
    """What is searched."""

    #: a correlation id, or an id
    words: str
    #: as it was typed, and as addresses have it; "": none
    number: str
    token: str
    country: str
    account: str
    status: str
    sender: str
    since: str
    until: str
    is_test: bool

    @property
    def is_empty(self) -> bool:
        """Return whether nothing is sought."""
        return not (self.words or self.number or self.account)

    @property
    def masked_number(self) -> str:
        """Return the number with most of its digits hidden."""
        return masked_number(self.number)

    @property
    def shown(self) -> dict[str, str]:
        """Return what is searched beside the account, field → value, as the audit log may have it."""
        named = {
            "number": self.masked_number,
            "correlation id": self.words,
            "status": self.status,
            "sender": self.sender,
            "since": self.since,
            "until": self.until,
            "tests": "only" if self.is_test else "",
        }
        return {name: value for name, value in named.items() if value}


def of_query(asked: ConsoleRequest) -> MessageSearchFields:
    """Return what the address searches; NotFound: its number was encrypted by another secret key."""
    return of_fields(asked, asked.query)


def of_fields(asked: ConsoleRequest, given: Mapping[str, str]) -> MessageSearchFields:
    """Return what these fields search; NotFound as in `of_query`."""

    def text(name: str) -> str:
        return given.get(name, "").strip()

    return MessageSearchFields(
        words=text("q"),
        number=_opened(asked, text("to")),
        token=text("to"),
        country=text("country").upper(),
        account=asked.account or text("account"),
        status=text("status"),
        sender=text("sender"),
        since=text("since"),
        until=text("until"),
        is_test=bool(text("test")),
    )


def query_of(asked: ConsoleRequest, given: Mapping[str, str]) -> dict[str, str]:
    """Return the fields of the address for what a form searches: without empty ones, a number encrypted."""
    fields = {name: value for name in FIELDS if (value := given.get(name, "").strip())}
    if is_number(fields.get("q", "")):
        sealed = asked.rt.vault.seal(_PURPOSE, fields.pop("q").encode())
        fields["to"] = base64.urlsafe_b64encode(sealed).decode()
    return fields


def is_number(words: str) -> bool:
    """Return whether words look like a phone number."""
    digits = words.lstrip("+").replace(" ", "").replace("-", "")
    return digits.isdecimal() and len(digits) >= _DIGITS


def filter_of(asked: ConsoleRequest, sought: MessageSearchFields) -> MessageFilter:
    """Return the filter of a search within an account; InvalidInput, NotFound."""
    if (account := account_names(asked.rt).get(sought.account)) is None:
        raise NotFound(f"there is no account {sought.account!r}")
    if sought.status and sought.status not in set(Status):
        raise InvalidInput(f"there is no status {sought.status!r}")
    return MessageFilter(
        account=account,
        test=sought.is_test,
        status=Status(sought.status) if sought.status else None,
        sender=sought.sender or None,
        phone=e164(sought.number, sought.country or None) if sought.number else None,
        correlation_id=sought.words or None,
        since=asked.moment("since", sought.since),
        until=asked.moment("until", sought.until),
    )


def _opened(asked: ConsoleRequest, token: str) -> str:
    if not token:
        return ""
    try:
        return asked.rt.vault.open(_PURPOSE, base64.urlsafe_b64decode(token)).decode()
    except (binascii.Error, ConfigurationError, ValueError):
        raise NotFound("this address holds no number that this installation encrypted; search again") from None
