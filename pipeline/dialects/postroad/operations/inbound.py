"""The operation of Postroad's own API that lists inbound messages (MO)."""

from pipeline.dialects.contract import ApiOperation, RequestContext
from pipeline.dialects.postroad import requests, responses
from pipeline.dialects.postroad.errors import refuse
from pipeline.dialects.postroad.key_settings import READ_INBOUND
from pipeline.stages.api.list_inbound import list_inbound
from schema.api import ApiResponse
from schema.message import Refusal
from schema.vocabulary import Code


async def list_page(context: RequestContext) -> ApiResponse:
    """Answer `GET /v1/inbound`: a page of inbound messages, the latest first."""
    asked = requests.read_paging(context.call)
    if isinstance(asked, list):
        return refuse(context.call, asked)
    try:
        found = await context.submission.run(
            list_inbound, context.key.account, asked.cursor, asked.limit, since=asked.since, until=asked.until
        )
    except ValueError as error:
        return refuse(context.call, [Refusal(Code.INVALID_FIELD, str(error), "cursor")])
    return responses.page(list(map(responses.inbound, found.messages)), found.cursor)


# what handsets send is live: a test key does not see it
OPERATIONS = (ApiOperation("GET", "/v1/inbound", "inbound", list_page, READ_INBOUND, live_only=True),)
