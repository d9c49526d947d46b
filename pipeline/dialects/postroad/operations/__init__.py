"""The operations of Postroad's own API, each thing in a module of its own."""

from pipeline.dialects.postroad.operations import account, inbound, messages, templates, webhook_endpoints

OPERATIONS = (
    *messages.OPERATIONS,
    *inbound.OPERATIONS,
    *templates.OPERATIONS,
    *account.OPERATIONS,
    *webhook_endpoints.OPERATIONS,
)

__all__ = ["OPERATIONS"]
