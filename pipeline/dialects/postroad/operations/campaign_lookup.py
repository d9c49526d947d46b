"""Looks up campaigns for the operations of Postroad's own API, and answers what their stages raise.

A campaign is named by its id or its name. With a test key a campaign is a test, and only tests are there.
"""

from collections.abc import Awaitable, Callable
from functools import wraps

from pipeline.dialects.contract import RequestContext
from pipeline.dialects.postroad.errors import refuse
from pipeline.errors import AlreadyExists, Conflict, InsufficientFunds, InvalidInput, NotFound
from pipeline.stages.campaigns import find
from schema.api import ApiResponse
from schema.campaign import Campaign
from schema.message import Refusal
from schema.vocabulary import Code

Operation = Callable[[RequestContext], Awaitable[ApiResponse]]

_CODES: dict[type[Exception], Code] = {
    NotFound: Code.NOT_FOUND,
    Conflict: Code.CONFLICT,
    AlreadyExists: Code.CONFLICT,
    InvalidInput: Code.INVALID_FIELD,
    InsufficientFunds: Code.INSUFFICIENT_FUNDS,
}


def refusing(operation: Operation) -> Operation:
    """Return an operation that answers with an error what its stages raise of campaigns."""

    @wraps(operation)
    async def answer(context: RequestContext) -> ApiResponse:
        try:
            return await operation(context)
        except tuple(_CODES) as error:
            return refuse(context.call, [Refusal(_CODES[type(error)], str(error))])

    return answer


async def find_campaign(context: RequestContext, word: str = "") -> Campaign:
    """Return the account's campaign of the id or name in the path, or of this one; NotFound."""
    sought, key = word or context.path["id"], context.key
    found = await context.submission.run(find.find, key.owner, sought) if "\x00" not in sought else None
    if found is None or (key.test and not found.test):
        raise NotFound("there is no such campaign")
    return found
