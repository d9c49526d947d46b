"""Defining a campaign: create it, with its recipients, and change it until it is started."""

from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from pipeline.errors import AlreadyExists, Conflict, InvalidInput, NotFound
from pipeline.stages.admin.account_names import account_names
from pipeline.stages.admin.order_preview import template_text
from pipeline.stages.api import sender_ids, templates
from pipeline.stages.campaigns.check_rows import start_check
from pipeline.stages.campaigns.create import change, create
from pipeline.stages.campaigns.respell import respell_definition
from schema.campaign import Campaign, CampaignDefinition
from schema.message import Refusal
from schema.message_class import MessageClass
from schema.order_reader import read_definition
from schema.vocabulary import DuplicatePolicy, Right, SenderState, Syntax
from workers.console.campaign_form import (
    GATES,
    GivenDefinition,
    campaign_values,
    changes_of,
    empty_values,
    form_values,
    read_values,
)
from workers.console.campaign_upload import UPLOAD, load_rows, uploaded_rows
from workers.console.console_routes import ConsoleRequest, ConsoleRoute
from workers.console.pages.campaigns_page import campaign_of

#: fields of a definition that have another name in the form
_FIELDS = {"merge": "fields", "local_hours": "hours_from", "message_class": "class"}


def _show_new(asked: ConsoleRequest) -> Response:
    account = _account(asked, asked.query.get("account", ""))
    if not account:
        return asked.page("campaign_account.html", accounts=list(account_names(asked.rt)))
    return _form_page(asked, account, empty_values(), [], 200)


def _account(asked: ConsoleRequest, chosen: str) -> str:
    """Return the account that the user belongs to, or that an operator has chosen; "": none yet. NotFound."""
    account = asked.account or chosen
    if account and account not in account_names(asked.rt):
        raise NotFound(f"there is no account {account!r}")
    return account


def _form_page(
    asked: ConsoleRequest,
    account: str,
    values: Mapping[str, str],
    faults: list[Refusal],
    status: int,
    *,
    campaign: Campaign | None = None,
    problem: str = "",
) -> Response:
    owner = account_names(asked.rt)[account]
    senders = [each for each in sender_ids.list_all(asked.rt, owner) if each.state is not SenderState.REJECTED]
    kept = [each for each in templates.list_all(asked.rt, owner) if each.syntax is Syntax.MERGE]
    by_field = {_field(each): each.message for each in faults}
    return asked.page(
        "campaign_form.html",
        status,
        account=account,
        campaign=campaign,
        values=values,
        faults=by_field,
        problem=problem or ("Some fields are not right yet." if faults else ""),
        other_faults=[f"{name}: {words}" if name else words for name, words in by_field.items() if name not in values],
        senders=senders,
        templates=kept,
        classes=list(MessageClass),
        duplicates=list(DuplicatePolicy),
        limit=UPLOAD >> 20,
    )


def _field(fault: Refusal) -> str:
    """Return the field of the form that a fault of the definition is about; "": the form as a whole."""
    name = fault.field or ""
    head, _, rest = name.partition(".")
    if head == "gates":
        return GATES.get(rest, rest)
    return _FIELDS.get(head, head)


def _create(asked: ConsoleRequest) -> Response:
    account, values = _account(asked, asked.text("account")), form_values(asked.form)
    if not account:
        raise InvalidInput("account: choose one")
    given = read_values(values, asked.zone)
    definition = _definition(given, {"account": account})
    if isinstance(definition, list):
        return _form_page(asked, account, values, definition, 422)
    try:
        made, done = _created(asked, definition)
    except (InvalidInput, AlreadyExists, NotFound) as error:
        return _form_page(asked, account, values, [], 422, problem=str(error))
    return asked.redirect(f"/campaigns/{made.id}", **done)


def _definition(given: GivenDefinition, fixed: Mapping[str, Any]) -> CampaignDefinition | list[Refusal]:
    found = read_definition({name: each for name, each in {**given.wanted, **fixed}.items() if each is not None})
    if isinstance(found, list):
        known = {each.field for each in given.faults}
        # a text that is missing was named already
        more = [each for each in found if each.field not in known and (each.field or "body" not in known)]
        return given.faults + more
    return given.faults or found


def _created(asked: ConsoleRequest, definition: CampaignDefinition) -> tuple[Campaign, dict[str, str]]:
    """Create a campaign, load the file if there is one, and begin to check it; return it, and what its page says."""
    rt, file, respell = asked.rt, asked.file("file"), bool(asked.text("respell"))
    text = definition.body or template_text(rt, definition.account, definition.template or "")
    if respell:
        definition = respell_definition(definition, text)
    if file is None:
        return create(rt, definition), {"notice": "It is created."}
    # a file that does not fit its text creates nothing
    rows = uploaded_rows(file, text, definition.merge, asked.text("column"))
    made = create(rt, definition)
    try:
        notice = load_rows(rt, made, file, rows, respell=respell)
    except (InvalidInput, Conflict) as error:
        return made, {"problem": f"It is created, but not all of its recipients are loaded: {error}"}
    start_check(rt, made.id)
    return made, {"notice": notice}


def _show_change(asked: ConsoleRequest) -> Response:
    found = campaign_of(asked)
    return _form_page(asked, found.account, campaign_values(found, asked.zone), [], 200, campaign=found)


def _change(asked: ConsoleRequest) -> Response:
    found, values = campaign_of(asked), form_values(asked.form) | {"name": ""}
    given = read_values(values, asked.zone)
    if given.faults:
        return _form_page(asked, found.account, values, given.faults, 422, campaign=found)
    try:
        changed = change(asked.rt, found.id, changes_of(found, given.wanted))
    except (InvalidInput, NotFound) as error:
        return _form_page(asked, found.account, values, [], 422, campaign=found, problem=str(error))
    return asked.redirect(f"/campaigns/{changed.id}", notice="It is changed. Check it before it is approved.")


ROUTES = (
    ConsoleRoute("GET", "/campaigns/new", _show_new, Right.EDIT_CAMPAIGNS),
    ConsoleRoute("POST", "/campaigns/new", _create, Right.EDIT_CAMPAIGNS, limit=UPLOAD),
    ConsoleRoute("GET", "/campaigns/{id:uuid}/change", _show_change, Right.EDIT_CAMPAIGNS),
    ConsoleRoute("POST", "/campaigns/{id:uuid}/change", _change, Right.EDIT_CAMPAIGNS),
)
