"""The operations of Postroad's own API, each thing in a module of its own."""

from pipeline.dialects.postroad.operations import (
    account,
    campaign_controls,
    campaign_results,
    campaigns,
    inbound,
    messages,
    templates,
    webhook_endpoints,
)

OPERATIONS = (
    *messages.OPERATIONS,
    *inbound.OPERATIONS,
    *templates.OPERATIONS,
    *account.OPERATIONS,
    *webhook_endpoints.OPERATIONS,
    *campaigns.OPERATIONS,
    *campaign_controls.OPERATIONS,
    *campaign_results.OPERATIONS,
)

__all__ = ["OPERATIONS"]
