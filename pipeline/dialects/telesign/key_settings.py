"""What an operator may set on a TeleSign key; at the vendor one asks the support team for it."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field


class TelesignKeySettings(BaseModel):
    """The settings of one key; what is not here is left to others."""

    model_config = ConfigDict(extra="ignore", frozen=True, coerce_numbers_to_str=True)

    #: seconds a signed request's date may be off; nonces are remembered for twice the most it can be
    tolerance: Annotated[float, Field(gt=0, le=900)] = 900
    #: seconds a code is good for
    validity: Annotated[int, Field(ge=30, le=86_400)] = 300
    #: guesses at one code
    max_attempts: Annotated[int, Field(ge=1, le=100)] = 3
    #: characters a text may have once it is filled in
    max_text: Annotated[int, Field(ge=1, le=1600)] = 160
    #: the sender when the request names none that the account has; absent: the account's first
    sender: str | None = None
    #: messages an hour to one number
    hard_cap: Annotated[int, Field(ge=1)] = 5
    #: seconds between two messages to one number
    pause: Annotated[float, Field(ge=0)] = 0
    #: the only numbers it may send to, E.164 with the plus; absent: all
    trial_numbers: frozenset[str] | None = None


def read(settings: Mapping[str, Any]) -> TelesignKeySettings:
    """Return a key's settings; pydantic's ValidationError names the one that cannot be so."""
    return TelesignKeySettings.model_validate(dict(settings))
