"""Parses requests for campaigns: JSON into definitions, recipients and controls, or all errors found."""

from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from pipeline.dialects.postroad.requests import read_object
from schema.api import ApiKey, ApiRequest
from schema.campaign import CampaignDefinition
from schema.message import Refusal
from schema.order_reader import printable, read_definition, refusals_of
from schema.vocabulary import Code

M = TypeVar("M", bound=BaseModel)

#: the most numbers that one request leaves out
MOST_NUMBERS = 100_000
#: fields of a definition that are not this API's
_OWN = ("account", "message_class")

_Name = Annotated[str, Field(min_length=1, max_length=64)]


class ApprovalRequest(BaseModel):
    """The body of an approval."""

    model_config = ConfigDict(extra="forbid")

    #: refuse a quote above it: `12.50`
    max_cost: str | None = None


class StopRequest(BaseModel):
    """The body of a pause or an abort."""

    model_config = ConfigDict(extra="forbid")

    #: shown with the campaign: a line of text
    reason: Annotated[str, Field(max_length=200)] | None = None


class LimitRequest(BaseModel):
    """A change of a campaign's speed; None: unchanged, 0: no limit."""

    model_config = ConfigDict(extra="forbid")

    per_hour: Annotated[int, Field(strict=True, ge=0, lt=2**31)] | None = None
    segments_per_second: Annotated[float, Field(strict=True, ge=0, lt=1e6)] | None = None


class ExclusionRequest(BaseModel):
    """An audience to leave out: exactly one of these."""

    model_config = ConfigDict(extra="forbid")

    numbers: Annotated[list[Annotated[str, Field(max_length=64)]], Field(max_length=MOST_NUMBERS)] | None = None
    #: id or name of a campaign, to whose recipients this one does not go
    recipients_of: _Name | None = None
    #: id or name of a campaign: this one goes to those only that it did not reach
    not_reached_by: _Name | None = None

    @model_validator(mode="after")
    def _one(self) -> "ExclusionRequest":
        if sum(each is not None for each in (self.numbers, self.recipients_of, self.not_reached_by)) != 1:
            raise ValueError("give exactly one of numbers, recipients_of and not_reached_by")
        return self


@dataclass(frozen=True, slots=True)
class RecipientPage:
    """A page of a campaign's recipients; each is validated where it is stored."""

    recipients: list[object]


def read_campaign(call: ApiRequest, key: ApiKey) -> CampaignDefinition | list[Refusal]:
    """Return the definition of a campaign to create, or all errors; with a test key it is a test."""
    given = read_changes(call, key)
    if isinstance(given, list):
        return given
    if key.test:
        given["test"] = True
    return read_definition(given | {"account": key.owner})


def read_changes(call: ApiRequest, key: ApiKey) -> dict[str, Any] | list[Refusal]:
    """Return the changed fields of a campaign's definition, or all errors; a test stays one with a test key."""
    found = read_object(call)
    if isinstance(found, Refusal):
        return [found]
    unknown = [Refusal(Code.INVALID_FIELD, "this field is unknown", name) for name in _OWN if name in found]
    if key.test and found.get("test", True) is not True:
        unknown.append(Refusal(Code.INVALID_FIELD, "with a test key it is always true", "test"))
    return unknown or found


def read_recipients(call: ApiRequest) -> RecipientPage | list[Refusal]:
    """Return a page of recipients, or the error."""
    found = read_object(call)
    if isinstance(found, Refusal):
        return [found]
    recipients = found.get("recipients")
    if not isinstance(recipients, list):
        return [Refusal(Code.MISSING_FIELD, "an array of recipients is required", "recipients")]
    unknown = [name for name in found if name != "recipients"]
    if unknown:
        return [Refusal(Code.INVALID_FIELD, "this field is unknown", printable(name)) for name in unknown]
    return RecipientPage(recipients)


def read_approval(call: ApiRequest) -> ApprovalRequest | list[Refusal]:
    """Return the body of an approval, which may be empty, or all errors."""
    return ApprovalRequest() if not call.body else _read(call, ApprovalRequest)


def read_reason(call: ApiRequest) -> StopRequest | list[Refusal]:
    """Return the body of a pause or an abort, which may be empty, or all errors."""
    return StopRequest() if not call.body else _read(call, StopRequest)


def read_limits(call: ApiRequest) -> LimitRequest | list[Refusal]:
    """Return a change of a campaign's speed, or all errors."""
    return _read(call, LimitRequest)


def read_exclusion(call: ApiRequest) -> ExclusionRequest | list[Refusal]:
    """Return an audience to leave out, or all errors."""
    return _read(call, ExclusionRequest)


def _read(call: ApiRequest, model: type[M]) -> M | list[Refusal]:
    found = read_object(call)
    if isinstance(found, Refusal):
        return [found]
    try:
        return model.model_validate(found)
    except ValidationError as error:
        return refusals_of(error)
