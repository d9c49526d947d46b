"""The operation of Postroad's own API that shows the account's balance."""

from pipeline.dialects.contract import ApiOperation, RequestContext
from pipeline.dialects.postroad import responses
from pipeline.dialects.postroad.key_settings import READ_BALANCE
from pipeline.stages.api.account_balance import balance
from schema.api import ApiResponse


async def get_balance(context: RequestContext) -> ApiResponse:
    """Answer `GET /v1/balance`: the balance of the account's wallet."""
    found = await context.submission.run(balance, context.key.account)
    return responses.balance(found, context.key.currency)


OPERATIONS = (ApiOperation("GET", "/v1/balance", "balance", get_balance, READ_BALANCE),)
