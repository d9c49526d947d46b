"""What producers ask of campaigns through the broker: pydantic models of a page of recipients and of an operation."""

from enum import StrEnum
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from schema.campaign import CampaignDefinition
from schema.order import Name

#: recipients of one page, and the highest number of one
MAX_PAGE, LAST_PAGE = 10_000, 200_000


class CampaignOperation(StrEnum):
    """What a producer may do with a campaign; not approve, as it cannot see the quote."""

    #: check and price its rows, once `rows` of them are loaded
    CHECK = "check"
    START = "start"
    PAUSE = "pause"
    RESUME = "resume"
    ABORT = "abort"
    #: no further campaign of its series is created
    END_REPEAT = "end_repeat"


class CampaignPage(BaseModel):
    """Recipients of a campaign, in the form of an order's; pages may come in any order."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    #: the account's name
    account: Name
    #: the campaign's name
    campaign: Name
    #: from 1
    page: Annotated[int, Field(ge=1, le=LAST_PAGE, strict=True)]
    recipients: Annotated[list[Any], Field(min_length=1, max_length=MAX_PAGE)]


class CampaignControl(BaseModel):
    """One operation on a campaign."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    #: the account's name
    account: Name
    #: the campaign's name
    campaign: Name
    operation: CampaignOperation
    #: of a check: how many rows there are; it begins once all are loaded
    rows: Annotated[int, Field(ge=1, strict=True)] | None = None
    #: of a pause, an abort, or the end of a series: why
    reason: Annotated[str, Field(min_length=1, max_length=200)] | None = None


CampaignRequest = CampaignDefinition | CampaignPage | CampaignControl

#: task → what it takes
_MODELS: dict[str, type[CampaignRequest]] = {
    "sms.campaign.create": CampaignDefinition,
    "sms.campaign.rows": CampaignPage,
    "sms.campaign.control": CampaignControl,
}


def read_request(task: str, content: Any) -> CampaignRequest | None:
    """Parse the untrusted argument of a task; None: it is invalid."""
    try:
        return _MODELS[task].model_validate(content)
    except ValidationError:
        return None
