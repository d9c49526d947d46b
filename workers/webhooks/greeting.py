"""Greets a customer's new endpoint as its dialect does: whoever does not answer as he must is told nothing."""

import asyncio
import secrets

from pipeline.runtime import Runtime
from pipeline.stages.doors import subscribe
from pipeline.stages.doors.subscribe import Reach
from schema.door import Posting
from schema.vocabulary import Dialect
from workers.webhooks.caller import Answer, Caller
from workers.webhooks.heralds import GREETERS


def greet(rt: Runtime, dialect: Dialect, url: str) -> str | None:
    """Make the call that a dialect makes to a new endpoint; return None when it answered well, else what it did."""
    greeter = GREETERS.get(dialect)
    if greeter is None:
        return None
    secret = secrets.token_urlsafe(32)
    answer = asyncio.run(_ask(subscribe.reach(rt), url, greeter.greet(secret), greeter.TIMEOUT))
    if isinstance(answer, str):
        return f"could not be called ({answer}): it must answer {greeter.WELCOME}"
    if greeter.is_welcome(secret, answer.status, answer.body):
        return None
    return f"answered {answer.status}, but not as it must: {greeter.WELCOME}"


async def _ask(reach: Reach, url: str, posting: Posting, seconds: float) -> Answer | str:
    async with Caller(reach) as caller:
        return await caller.ask(url, posting, seconds)
