"""Create: store the definition of a campaign; change it until it is started."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from pipeline.errors import AlreadyExists, Conflict, InvalidInput, NotFound
from pipeline.rules.campaign_lifecycle import EDITABLE
from pipeline.rules.campaigns.local_hours import LocalHours
from pipeline.rules.consent import send_window
from pipeline.rules.numbers import senders
from pipeline.rules.text import templates
from pipeline.runtime import Connection, Runtime, acting
from pipeline.store import accounts, batches, campaigns
from pipeline.store.accounts import Account
from pipeline.store.api import templates as stored_templates
from pipeline.transitions import campaign_moves
from schema.actor import actor_name
from schema.campaign import Campaign, CampaignDefinition
from schema.message import Refusal
from schema.order_reader import read_definition
from schema.vocabulary import AccountState, CampaignState, Code, Syntax

#: most characters of a text
MOST_TEXT = 1600
#: the states in which a definition may be changed: not once it is being checked, or was started
CHANGEABLE = EDITABLE | {CampaignState.APPROVED}


def create(rt: Runtime, definition: CampaignDefinition) -> Campaign:
    """Store a campaign without recipients; return it.

    Of a template its present text is kept. InvalidInput names each invalid field; NotFound: there is no such account
    or template; AlreadyExists: the account has a campaign of this name.
    """
    id_ = rt.new_ids()
    with rt.begin() as conn:
        owner = accounts.named(conn, definition.account)
        columns = _columns(rt, conn, owner, definition, *_text(conn, owner, definition))
        given = {"id": id_, "account_id": owner.id, "name": definition.name, "created_by": actor_name(acting.get())}
        if not campaigns.write(conn, {**given, **columns}):
            words = f"the account {owner.name!r} has a campaign {definition.name!r} already"
            raise AlreadyExists(f"{words}: load its recipients, or give this one another name")
        made = campaigns.of(conn, id_)
    assert made
    return made


def change(rt: Runtime, campaign: UUID, changes: Mapping[str, Any]) -> Campaign:
    """Change fields of a campaign's definition that is not started yet; return it.

    A quote or an approval is void then, and the state becomes `stale`. `changes`: by the names of `CampaignDefinition`;
    account and name stay. InvalidInput names each invalid field; NotFound; Conflict: it is being checked, or was
    started.
    """
    fixed = changes.keys() & {"account", "name"}
    if fixed:
        raise InvalidInput(f"{min(fixed)}: cannot be changed")
    with rt.begin() as conn:
        found = campaigns.lock(conn, campaign)
        if found is None:
            raise NotFound(f"there is no campaign {campaign}")
        if found.state not in CHANGEABLE:
            raise Conflict(f"campaign {found.name!r} is {found.state}: its definition cannot be changed")
        definition = read_definition({**_defined(found, changes), **changes})
        if isinstance(definition, list):
            raise _invalid(definition)
        owner = accounts.named(conn, found.account)
        # a template's present text counts only if it is named again
        text = _text(conn, owner, definition) if _names_text(changes) else (found.body, found.template_version)
        columns = _columns(rt, conn, owner, definition, *text)
        campaigns.update(conn, campaign, CHANGEABLE, {**columns, "approved_by": None, "approved_at": None})
        if found.state in (CampaignState.QUOTED, CampaignState.APPROVED):
            campaign_moves.move(conn, rt.now(), found, CampaignState.STALE, "its definition was changed")
        changed = campaigns.of(conn, campaign)
    assert changed
    return changed


def _columns(
    rt: Runtime, conn: Connection, owner: Account, definition: CampaignDefinition, body: str, version: int | None
) -> dict[str, Any]:
    """Return the columns of a valid definition with this text, which may be a version of its template; InvalidInput."""
    now = rt.common_time(batches.clock(conn))
    if faults := _faults(rt, owner, definition, now):
        raise _invalid(faults)
    return {
        "sender": definition.sender,
        "class": str(definition.message_class),
        "test": definition.test,
        "body": body,
        "template": definition.template,
        "template_version": version,
        "merge": templates.spell(templates.compile(body), definition.merge),
        "country": definition.country,
        "send_at": definition.send_at,
        "valid_until": definition.valid_until,
        "duplicates": str(definition.duplicates),
        "not_within_hours": definition.not_within_hours,
        "per_hour": definition.per_hour,
        "segments_per_second": definition.segments_per_second,
        "spread_hours": definition.spread_hours,
        **_local_hours(definition.local_hours),
        "canary": definition.canary,
        "canary_soak": definition.canary_soak,
        "gates": definition.gates.model_dump(exclude_none=True),
        "reserve": definition.reserve,
    }


def _local_hours(written: str | None) -> dict[str, int | None]:
    if written is None:
        return {"hours_from": None, "hours_until": None}
    hours = LocalHours.parse(written)
    return {"hours_from": hours.from_minute, "hours_until": hours.until_minute}


def _faults(rt: Runtime, owner: Account, definition: CampaignDefinition, now: datetime) -> list[Refusal]:
    faults = [*senders.faults(owner.senders, definition.sender, test=definition.test)]
    if owner.state is not AccountState.ACTIVE:
        faults.append(Refusal(Code.ACCOUNT_SUSPENDED, f"the account {owner.name!r} is {owner.state}", "account"))
    if (definition.not_within_hours or 0) > 24 * (kept := rt.settings.campaign_rows_days):
        words = f"recipients are kept for {kept} days (POSTROAD_CAMPAIGN_ROWS_DAYS): at most {24 * kept} hours"
        faults.append(Refusal(Code.INVALID_FIELD, words, "not_within_hours"))
    lead = timedelta(days=rt.settings.lead_days)
    return faults + send_window.judge(definition.send_at, definition.valid_until, made_at=now, now=now, lead=lead)


def _text(conn: Connection, owner: Account, definition: CampaignDefinition) -> tuple[str, int | None]:
    """Return a definition's text, and which version of its template that is; NotFound, InvalidInput."""
    if definition.body is not None:
        return definition.body, None
    slug = definition.template or ""
    found = stored_templates.find(conn, owner.id, [slug]).get(slug)
    if found is None:
        raise NotFound(f"template: the account {owner.name!r} has no template {slug!r}")
    if found.syntax is not Syntax.MERGE:
        words = "is written with {{.name}}, for the API that it was made through"
        raise InvalidInput(f"template: {slug!r} {words}; a campaign needs ${{name}}: give its text as `body`")
    if not found.body.strip() or len(found.body) > MOST_TEXT:
        raise InvalidInput(f"template: a campaign's text has 1 to {MOST_TEXT:,} characters, that of {slug!r} has not")
    return found.body, found.version


def _defined(campaign: Campaign, changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the definition of a campaign as `read_definition` takes it, without its text if another one is given."""
    text = {"body": campaign.body} if campaign.template is None else {"template": campaign.template}
    if _names_text(changes):
        text = {}
    return {
        **text,
        "account": campaign.account,
        "name": campaign.name,
        "sender": campaign.sender,
        "merge": dict(campaign.merge),
        "country": campaign.country,
        "class": campaign.message_class,
        "test": campaign.test,
        "send_at": campaign.send_at,
        "valid_until": campaign.valid_until,
        "duplicates": campaign.duplicates,
        "not_within_hours": campaign.not_within_hours,
        "per_hour": campaign.per_hour,
        "spread_hours": campaign.spread_hours,
        "local_hours": campaign.local_hours,
        "segments_per_second": campaign.segments_per_second,
        "canary": campaign.canary,
        "canary_soak": campaign.canary_soak or 0,
        "gates": dict(campaign.gates),
        "reserve": campaign.reserve,
    }


def _names_text(changes: Mapping[str, Any]) -> bool:
    return changes.get("body") is not None or changes.get("template") is not None


def _invalid(faults: list[Refusal]) -> InvalidInput:
    return InvalidInput("; ".join(f"{each.field}: {each.message}" if each.field else each.message for each in faults))
