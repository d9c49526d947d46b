"""What a quote of a campaign binds: a hash of its text, recipients, schedule, limits, sender and prices."""

import json
from collections.abc import Iterable
from hashlib import sha256
from typing import Any

from pipeline.rules.money.price_lists import Price
from schema.campaign import Campaign, CampaignProgress


def bind(campaign: Campaign, progress: CampaignProgress, prices: Iterable[Price]) -> bytes:
    """Return the hash of all that a quote was made of; `prices`: those in force for the campaign's account."""
    content: dict[str, Any] = {
        "account": campaign.account,
        "sender": campaign.sender,
        "class": campaign.message_class,
        "test": campaign.test,
        "body": campaign.body,
        "merge": dict(campaign.merge),
        "country": campaign.country,
        "send_at": campaign.send_at and campaign.send_at.isoformat(),
        "valid_until": campaign.valid_until and campaign.valid_until.isoformat(),
        "duplicates": campaign.duplicates,
        "per_hour": campaign.per_hour,
        "segments_per_second": campaign.segments_per_second,
        "local_hours": [campaign.hours_from, campaign.hours_until],
        "spread_hours": campaign.spread_hours,
        "canary": campaign.canary,
        "canary_soak": campaign.canary_soak,
        "gates": dict(campaign.gates),
        "rows": progress.rows,
        "digest": progress.digest and progress.digest.hex(),
        "prices": sorted((price.destination, price.per_segment, price.own) for price in prices),
    }
    # without them as it was before they existed
    if campaign.reserve:
        content["reserve"] = True
    if campaign.not_within_hours:
        content["not_within_hours"] = campaign.not_within_hours
    if campaign.repeat:
        content["repeat"] = [campaign.repeat, campaign.time_zone]
    return sha256(json.dumps(content, sort_keys=True).encode()).digest()
