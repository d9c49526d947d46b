"""Definitions of campaigns as the columns that store them, and back."""

from collections.abc import Mapping
from typing import Any

from pipeline.rules.campaigns.local_hours import LocalHours
from pipeline.rules.text import templates
from schema.campaign import Campaign, CampaignDefinition


def columns_of(definition: CampaignDefinition, body: str, version: int | None) -> dict[str, Any]:
    """Return the columns that store a definition with this text, which may be a version of its template."""
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
        "repeat": definition.repeat,
        "time_zone": definition.time_zone,
    }


def defined(campaign: Campaign, changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the definition of a campaign as `read_definition` takes it, without its text if another one is given."""
    text = {"body": campaign.body} if campaign.template is None else {"template": campaign.template}
    if names_text(changes):
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
        "repeat": campaign.repeat,
        "time_zone": campaign.time_zone,
    }


def names_text(changes: Mapping[str, Any]) -> bool:
    """Tell whether changes of a definition name another text."""
    return changes.get("body") is not None or changes.get("template") is not None


def _local_hours(written: str | None) -> dict[str, int | None]:
    if written is None:
        return {"hours_from": None, "hours_until": None}
    hours = LocalHours.parse(written)
    return {"hours_from": hours.from_minute, "hours_until": hours.until_minute}
