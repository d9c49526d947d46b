"""Accounts with their sender ids, API keys, templates and money, as operators change them and their users see them."""

from typing import Any

from starlette.responses import Response

from pipeline.dialects.contract import Dialect
from pipeline.dialects.registry import DIALECTS
from pipeline.errors import InvalidInput, PostroadError
from pipeline.stages.admin.account_templates import list_templates, list_versions
from pipeline.stages.admin.accounts import account_of, create_account, list_accounts, set_account_state
from pipeline.stages.admin.api_keys import issue, list_keys, revoke
from pipeline.stages.admin.prices import some_prices
from pipeline.stages.admin.sender_registration import list_senders, senders_alike, set_sender
from pipeline.stages.admin.traffic import daily
from pipeline.stages.admin.wallets import set_credit_limit, top_up
from schema.vocabulary import AccountState, Right, SenderState
from workers.console.console_routes import ConsoleRequest, ConsoleRoute

#: characters of a key's name
_KEY_NAME = 100
#: most prices on the page
_PRICES = 500


def _list(asked: ConsoleRequest) -> Response:
    if asked.account:
        return asked.redirect(f"/accounts/{asked.account}")
    return _accounts(asked)


def _accounts(asked: ConsoleRequest, problem: str = "") -> Response:
    may = {"may_edit": asked.may(Right.EDIT_ACCOUNTS), "may_view_money": asked.may(Right.VIEW_MONEY)}
    return asked.page("accounts.html", 422 if problem else 200, rows=list_accounts(asked.rt), problem=problem, **may)


def _create(asked: ConsoleRequest) -> Response:
    name = asked.text("name")
    try:
        create_account(asked.rt, name, asked.text("currency").upper())
    except PostroadError as error:
        return _accounts(asked, str(error))
    return asked.redirect(f"/accounts/{name}", notice=f"The account {name} exists.")


def _show(asked: ConsoleRequest) -> Response:
    return _account(asked)


def _account(asked: ConsoleRequest, problem: str = "") -> Response:
    row, name = _row(asked), asked.path["name"]
    values: dict[str, Any] = {
        "senders": list_senders(asked.rt, name),
        "alike": senders_alike(asked.rt, name) if asked.may(Right.EDIT_SENDERS) and asked.account is None else {},
        "keys": list_keys(asked.rt, name) if asked.may(Right.MANAGE_KEYS) else None,
        "dialects": list(DIALECTS),
        "templates": list_templates(asked.rt, name),
        "sender_states": list(SenderState),
        "may_edit": asked.may(Right.EDIT_ACCOUNTS),
        "may_edit_senders": asked.may(Right.EDIT_SENDERS),
        "may_change_money": asked.may(Right.CHANGE_MONEY),
        "may_view_money": asked.may(Right.VIEW_MONEY),
    }
    return asked.page("account.html", 422 if problem else 200, row=row, problem=problem, **values)


def _row(asked: ConsoleRequest) -> dict[str, Any]:
    name = asked.path["name"]
    asked.own(name)
    return account_of(asked.rt, name)


def _suspend(asked: ConsoleRequest) -> Response:
    held = set_account_state(asked.rt, asked.path["name"], AccountState.SUSPENDED)
    return _changed(asked, f"The account is suspended; {held} batches of its messages are held.")


def _resume(asked: ConsoleRequest) -> Response:
    set_account_state(asked.rt, asked.path["name"], AccountState.ACTIVE)
    return _changed(asked, "The account is active; its held messages go on within seconds.")


def _changed(asked: ConsoleRequest, notice: str) -> Response:
    return asked.redirect(f"/accounts/{asked.path['name']}", notice=notice)


def _set_sender(asked: ConsoleRequest) -> Response:
    sender, state = asked.text("sender"), asked.text("state")
    try:
        if state not in set(SenderState):
            raise InvalidInput(f"state: choose one of {', '.join(SenderState)}")
        countries = asked.text("countries").upper().replace(",", " ").split()
        set_sender(asked.rt, asked.path["name"], sender, SenderState(state), asked.text("reason") or None, countries)
    except PostroadError as error:
        return _account(asked, str(error))
    return _changed(asked, f"The sender {sender} is {state}.")


def _create_key(asked: ConsoleRequest) -> Response:
    """Make an API key; its credentials are on this page alone, and in no URL."""
    name = asked.path["name"]
    asked.own(name)
    try:
        made = issue(
            asked.rt,
            name,
            _dialect(asked.text("dialect")),
            test=bool(asked.text("test")),
            name=asked.text("key_name")[:_KEY_NAME],
            scopes=asked.text("scopes").replace(",", " ").split(),
            networks=asked.text("networks").replace(",", " ").split(),
            expires_at=asked.moment("expires", asked.text("expires")),
        )
    except PostroadError as error:
        return _account(asked, str(error))
    return asked.page("new_key.html", account=name, made=made)


def _dialect(name: str) -> Dialect:
    if name not in DIALECTS:
        raise InvalidInput(f"API: choose one of {', '.join(DIALECTS)}")
    return DIALECTS[name]


def _revoke(asked: ConsoleRequest) -> Response:
    name = asked.path["name"]
    asked.own(name)
    revoke(asked.rt, name, int(asked.path["key"]))
    return _changed(asked, f"Key {asked.path['key']} is revoked: the next call with it is denied.")


def _template(asked: ConsoleRequest) -> Response:
    name = asked.path["name"]
    asked.own(name)
    versions = list_versions(asked.rt, name, asked.path["template"])
    return asked.page("template.html", account=name, slug=asked.path["template"], versions=versions)


def _money(asked: ConsoleRequest) -> Response:
    return _money_page(asked)


def _money_page(asked: ConsoleRequest, problem: str = "") -> Response:
    row = _row(asked)
    prices, more = some_prices(asked.rt, _PRICES, account=row["name"], currency=row["currency"])
    return asked.page(
        "money.html",
        422 if problem else 200,
        row=row,
        days=daily(asked.rt, row["name"]),
        prices=prices,
        more_prices=more,
        problem=problem,
        may_change_money=asked.may(Right.CHANGE_MONEY),
    )


def _top_up(asked: ConsoleRequest) -> Response:
    row = _row(asked)
    try:
        amount = asked.minor("amount", row["currency"])
        top_up(asked.rt, row["name"], amount, asked.text("note"))
    except PostroadError as error:
        return _money_page(asked, str(error))
    return asked.redirect(f"/accounts/{row['name']}/money", notice="The wallet is topped up.")


def _set_credit(asked: ConsoleRequest) -> Response:
    row = _row(asked)
    try:
        set_credit_limit(asked.rt, row["name"], asked.minor("limit", row["currency"]))
    except PostroadError as error:
        return _money_page(asked, str(error))
    return asked.redirect(f"/accounts/{row['name']}/money", notice="The credit limit is set.")


ROUTES = (
    ConsoleRoute("GET", "/accounts", _list, Right.VIEW),
    ConsoleRoute("POST", "/accounts", _create, Right.EDIT_ACCOUNTS, is_for_operators=True),
    ConsoleRoute("GET", "/accounts/{name}", _show, Right.VIEW),
    ConsoleRoute("POST", "/accounts/{name}/suspend", _suspend, Right.EDIT_ACCOUNTS, is_for_operators=True),
    ConsoleRoute("POST", "/accounts/{name}/resume", _resume, Right.EDIT_ACCOUNTS, is_for_operators=True),
    ConsoleRoute("POST", "/accounts/{name}/senders", _set_sender, Right.EDIT_SENDERS, is_for_operators=True),
    ConsoleRoute("POST", "/accounts/{name}/keys", _create_key, Right.MANAGE_KEYS),
    ConsoleRoute("POST", "/accounts/{name}/keys/{key:int}/revoke", _revoke, Right.MANAGE_KEYS),
    ConsoleRoute("GET", "/accounts/{name}/templates/{template}", _template, Right.VIEW),
    ConsoleRoute("GET", "/accounts/{name}/money", _money, Right.VIEW_MONEY),
    ConsoleRoute("POST", "/accounts/{name}/top-up", _top_up, Right.CHANGE_MONEY, is_for_operators=True),
    ConsoleRoute("POST", "/accounts/{name}/credit-limit", _set_credit, Right.CHANGE_MONEY, is_for_operators=True),
)
