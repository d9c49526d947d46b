"""Opt-outs, as users of the console read them: pages with masked numbers; one is revealed or removed by its token.

A token, which also is the cursor of the next page, is the encrypted key of an opt-out: pages name a number in no URL
and in no form.
"""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from pipeline.errors import ConfigurationError, InvalidInput, NotFound
from pipeline.rules.consent import consent_numbers
from pipeline.rules.numbers import phones
from pipeline.rules.numbers.number_masking import masked_number
from pipeline.runtime import Runtime
from pipeline.store import accounts, audit_log
from pipeline.store.consent import opt_out_pages as store
from pipeline.store.consent import opt_outs
from pipeline.store.consent.opt_out_pages import OptOutRow
from pipeline.store.consent.opt_outs import EVERYBODY, OptOut

_PURPOSE = "opt-out"


@dataclass(frozen=True, slots=True)
class OptOutView:
    """An opt-out with a masked number."""

    token: str
    phone: str
    #: None: of every account
    account: str | None
    #: ""; of every sender
    sender: str
    #: ""; of every class
    message_class: str
    source: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class OptOutList:
    """Opt-outs, and the cursor of the next page."""

    opt_outs: list[OptOutView]
    #: "": this is the last page
    cursor: str


def opt_out_page(rt: Runtime, account: int | None, cursor: str, limit: int) -> OptOutList:
    """Return a page of an account's (None: all) opt-outs. InvalidInput: a cursor that no page had."""
    after = _opened(rt, cursor) if cursor else None
    with rt.read_only() as conn:
        found = store.page(conn, account, after, limit + 1)
        names = accounts.names(conn)
    shown = _views(rt, found[:limit], names)
    return OptOutList(shown, shown[-1].token if len(found) > limit else "")


def opt_outs_of(rt: Runtime, account: int | None, number: str, country: str | None, limit: int) -> OptOutList:
    """Return up to `limit` opt-outs of a number that an account (None: any) is held to. InvalidInput: no number."""
    phone = consent_numbers.read(number, country)
    if phone is None:
        raise InvalidInput(phones.phone_fault(number, country))
    with rt.read_only() as conn:
        names = accounts.names(conn)
        whose = {EVERYBODY, *(names.values() if account is None else [account])}
        found = store.of_number(conn, whose, phone, limit)
    return OptOutList(_views(rt, found, names), "")


def reveal_opt_out(rt: Runtime, account: int | None, token: str) -> str:
    """Return the number of an account's (None: any) opt-out, and enter that in the audit log; NotFound."""
    found = _owned(rt, account, token)
    with rt.begin() as conn:
        shown = {"phone": masked_number(found.phone)}
        audit_log.note(conn, "opt_outs", masked_number(found.phone), "reveal", shown, found.account or None)
    return found.phone


def remove_opt_out(rt: Runtime, account: int | None, token: str) -> None:
    """Remove an account's (None: any) opt-out; NotFound: it is gone."""
    found = _owned(rt, account, token)
    with rt.begin() as conn:
        if not opt_outs.remove(conn, [found]):
            raise NotFound("this opt-out was removed already")


def _owned(rt: Runtime, account: int | None, token: str) -> OptOut:
    found = _opened(rt, token)
    if account is not None and found.account != account:
        raise NotFound("there is no such opt-out")
    return found


def _views(rt: Runtime, rows: list[OptOutRow], names: Mapping[str, int]) -> list[OptOutView]:
    named = {id_: name for name, id_ in names.items()}
    return [
        OptOutView(
            token=_sealed(rt, each.opt_out),
            phone=masked_number(each.opt_out.phone),
            account=named.get(each.opt_out.account),
            sender=each.opt_out.sender,
            message_class=each.opt_out.message_class,
            source=each.source,
            created_at=each.created_at,
        )
        for each in rows
    ]


def _sealed(rt: Runtime, key: OptOut) -> str:
    return urlsafe_b64encode(rt.vault.seal(_PURPOSE, json.dumps(key).encode())).decode()


def _opened(rt: Runtime, token: str) -> OptOut:
    try:
        return OptOut(*json.loads(rt.vault.open(_PURPOSE, urlsafe_b64decode(token))))
    except (ValueError, ConfigurationError):
        raise InvalidInput("this page is out of date: load it anew") from None
