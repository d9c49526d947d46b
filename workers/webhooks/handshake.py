"""The verification of a new webhook endpoint by a call of its dialect; one that fails is not registered."""

import asyncio
import secrets

from pipeline.dialects.registry import DIALECTS
from pipeline.runtime import Runtime
from pipeline.stages.api import webhook_endpoints
from pipeline.stages.api.webhook_endpoints import AllowedAddresses
from schema.api import WebhookPost
from workers.webhooks.webhook_client import WebhookClient, WebhookResponse


def verify_endpoint(rt: Runtime, dialect: str, url: str) -> str | None:
    """Make the dialect's verification call to a new endpoint; return None if it passed, else what is wrong."""
    handshake = DIALECTS[dialect].handshake
    if handshake is None:
        return None
    secret = secrets.token_urlsafe(32)
    answer = asyncio.run(
        _ask(webhook_endpoints.allowed_addresses(rt), url, handshake.verification_call(secret), handshake.TIMEOUT)
    )
    if isinstance(answer, str):
        return f"could not be called ({answer}): it must answer {handshake.CONFIRMATION}"
    if handshake.is_confirmed(secret, answer.status, answer.body):
        return None
    return f"answered {answer.status}, but not as it must: {handshake.CONFIRMATION}"


async def _ask(reach: AllowedAddresses, url: str, posting: WebhookPost, seconds: float) -> WebhookResponse | str:
    async with WebhookClient(reach) as client:
        return await client.ask(url, posting, seconds)
