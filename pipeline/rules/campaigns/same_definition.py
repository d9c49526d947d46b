"""Compares a definition with that of a stored campaign."""

from collections.abc import Collection

from pipeline.rules.text import templates
from schema.campaign import Campaign, CampaignDefinition


def difference(campaign: Campaign, definition: CampaignDefinition, ignored: Collection[str] = ()) -> str | None:
    """Return the first field in which a definition differs from a campaign's; None: it is the same.

    Of a template the name is compared, not its text: a campaign keeps that of its creation. `ignored`: fields that are
    not compared. Account and name are not either.
    """
    stored, given = _stored(campaign), _given(campaign, definition)
    return next((name for name in stored if name not in ignored and stored[name] != given[name]), None)


#: fields that campaigns and definitions have under the same name
_COMMON = (
    *("sender", "test", "template", "country", "send_at", "valid_until", "duplicates", "not_within_hours"),
    *("per_hour", "segments_per_second", "spread_hours", "local_hours", "canary", "canary_soak", "reserve"),
    *("repeat", "time_zone"),
)
#: what may differ between campaigns of a series that one approval covers: their times, and a speed that was changed
_OF_ONE = {"send_at", "valid_until", "per_hour", "segments_per_second"}


def changed_since(approved: Campaign, campaign: Campaign) -> str | None:
    """Return the first field in which a campaign of a series differs from an approved one; None: it is covered."""
    before, after = _stored(approved), _stored(campaign)
    return next((name for name in before if name not in _OF_ONE and before[name] != after[name]), None)


def _stored(campaign: Campaign) -> dict[str, object]:
    return {
        **{name: getattr(campaign, name) for name in _COMMON},
        "class": campaign.message_class,
        "body": campaign.body,
        "merge": dict(campaign.merge),
        "gates": dict(campaign.gates),
    }


def _given(campaign: Campaign, definition: CampaignDefinition) -> dict[str, object]:
    return {
        **{name: getattr(definition, name) for name in _COMMON},
        "class": definition.message_class,
        "body": campaign.body if definition.body is None else definition.body,
        "merge": templates.spell(templates.compile(campaign.body), definition.merge),
        "gates": definition.gates.model_dump(exclude_none=True),
    }
