"""Create: store the definition of a campaign; change it until it is started."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from pipeline.errors import AlreadyExists, Conflict, InvalidInput, NotFound
from pipeline.rules.campaign_lifecycle import EDITABLE
from pipeline.rules.campaigns.definitions import columns_of, defined, names_text
from pipeline.rules.campaigns.repetition import fault_of
from pipeline.rules.consent import send_window
from pipeline.rules.numbers import senders
from pipeline.runtime import Connection, Runtime, acting
from pipeline.store import accounts, batches, campaigns
from pipeline.store.accounts import Account
from pipeline.transitions import campaign_moves, campaign_texts
from schema.actor import actor_name
from schema.campaign import Campaign, CampaignDefinition
from schema.message import Refusal
from schema.order_reader import read_definition
from schema.vocabulary import AccountState, CampaignState, Code

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
        columns = _columns(rt, conn, owner, definition, *campaign_texts.text_of(conn, owner, definition))
        columns |= _series(id_, definition)
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
        is_later = found.series_id not in (None, found.id)
        if is_later and changes.keys() & {"repeat", "time_zone"}:
            raise InvalidInput("repeat: is that of its series: end it (end-repeat), and create another campaign")
        if found.state not in CHANGEABLE:
            raise Conflict(f"campaign {found.name!r} is {found.state}: its definition cannot be changed")
        definition = read_definition({**defined(found, changes), **changes})
        if isinstance(definition, list):
            raise _invalid(definition)
        owner = accounts.named(conn, found.account)
        # a template's present text counts only if it is named again
        is_named = names_text(changes)
        text = campaign_texts.text_of(conn, owner, definition) if is_named else (found.body, found.template_version)
        columns = _columns(rt, conn, owner, definition, *text, is_later=is_later)
        columns |= dict.fromkeys(("approved_by", "approved_at", "approved_with"))
        columns |= {} if is_later else _series(campaign, definition)
        campaigns.update(conn, campaign, CHANGEABLE, columns)
        if found.state in (CampaignState.QUOTED, CampaignState.APPROVED):
            campaign_moves.move(conn, rt.now(), found, CampaignState.STALE, "its definition was changed")
        changed = campaigns.of(conn, campaign)
    assert changed
    return changed


def _columns(
    rt: Runtime,
    conn: Connection,
    owner: Account,
    definition: CampaignDefinition,
    body: str,
    version: int | None,
    *,
    is_later: bool = False,
) -> dict[str, Any]:
    """Return the columns of a valid definition with this text, which may be a version of its template; InvalidInput.

    `is_later`: it is not the first of a series.
    """
    now = rt.common_time(batches.clock(conn))
    faults = _faults(rt, owner, definition, now)
    if not (faults or is_later):
        faults = _repeat_faults(rt, definition)
    if faults:
        raise _invalid(faults)
    return columns_of(definition, body, version)


def _series(campaign: UUID, definition: CampaignDefinition) -> dict[str, Any]:
    """Return the columns that make a campaign the first of a series, or none."""
    if definition.repeat is None or definition.send_at is None:
        return {"series_id": None, "occurs_on": None}
    day = definition.send_at.astimezone(ZoneInfo(definition.time_zone or "")).date()
    return {"series_id": campaign, "occurs_on": day}


def _faults(rt: Runtime, owner: Account, definition: CampaignDefinition, now: datetime) -> list[Refusal]:
    faults = [*senders.faults(owner.senders, definition.sender, test=definition.test)]
    if owner.state is not AccountState.ACTIVE:
        faults.append(Refusal(Code.ACCOUNT_SUSPENDED, f"the account {owner.name!r} is {owner.state}", "account"))
    if (definition.not_within_hours or 0) > 24 * (kept := rt.settings.campaign_rows_days):
        words = f"recipients are kept for {kept} days (POSTROAD_CAMPAIGN_ROWS_DAYS): at most {24 * kept} hours"
        faults.append(Refusal(Code.INVALID_FIELD, words, "not_within_hours"))
    lead = timedelta(days=rt.settings.lead_days)
    return faults + send_window.judge(definition.send_at, definition.valid_until, made_at=now, now=now, lead=lead)


def _repeat_faults(rt: Runtime, definition: CampaignDefinition) -> list[Refusal]:
    if definition.repeat is None or definition.time_zone is None or definition.send_at is None:
        return []
    longest = timedelta(days=rt.settings.campaign_rows_days)
    fault = fault_of(definition.repeat, definition.time_zone, definition.send_at, longest)
    return [fault] if fault else []


def _invalid(faults: list[Refusal]) -> InvalidInput:
    return InvalidInput("; ".join(f"{each.field}: {each.message}" if each.field else each.message for each in faults))
