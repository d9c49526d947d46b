"""TeleSign API keys: their settings (at the vendor set by its support), and how one is generated."""

import re
import secrets
from base64 import b64encode
from collections.abc import Mapping
from typing import Annotated, Any
from uuid import uuid4

from pydantic import BaseModel, ConfigDict, Field

from pipeline.rules.api.key_settings import DAY, EVERY, MOST, SENDER, SettingType, number, whole
from pipeline.vault import Vault
from schema.api import NewKey

_E164 = re.compile(r"\+[1-9][0-9]{7,14}")

_NUMBERS = SettingType(
    'numbers with their plus: ["+2348031234567"]',
    lambda it: isinstance(it, list) and all(isinstance(each, str) and _E164.fullmatch(each) for each in it),
)

SETTINGS = {
    **EVERY,
    "tolerance": number(900),
    "validity": whole(30, DAY),
    "max_attempts": whole(1, 100),
    "max_text": whole(1, 1600),
    "sender": SENDER,
    "hard_cap": whole(1, MOST),
    "pause": number(DAY, or_zero=True),
    "trial_numbers": _NUMBERS,
}
SCOPES = ("verify",)


class TelesignKeySettings(BaseModel):
    """The settings of one key that this dialect uses."""

    model_config = ConfigDict(extra="ignore", frozen=True, coerce_numbers_to_str=True)

    #: seconds that a signed request's date may be off; nonces are remembered for twice the maximum
    tolerance: Annotated[float, Field(gt=0, le=900)] = 900
    #: lifetime of a code in seconds
    validity: Annotated[int, Field(ge=30, le=86_400)] = 300
    #: most guesses at one code
    max_attempts: Annotated[int, Field(ge=1, le=100)] = 3
    #: most characters of a text after it is filled in
    max_text: Annotated[int, Field(ge=1, le=1600)] = 160
    #: the sender if the request names none of the account's; None: the account's first
    sender: str | None = None
    #: most messages an hour to one number
    hard_cap: Annotated[int, Field(ge=1)] = 5
    #: seconds between two messages to one number
    pause: Annotated[float, Field(ge=0)] = 0
    #: the only numbers that may be sent to, E.164 with the plus; None: any
    trial_numbers: frozenset[str] | None = None


def read(settings: Mapping[str, Any]) -> TelesignKeySettings:
    """Return a key's settings; pydantic's ValidationError names the invalid one."""
    return TelesignKeySettings.model_validate(dict(settings))


def make_key(vault: Vault, _test: bool) -> NewKey:
    """Return a new key: a customer id, and an encrypted secret that signs requests and webhooks."""
    customer, secret = str(uuid4()).upper(), secrets.token_bytes(64)
    return NewKey(
        {"customer_id": customer, "api_key": b64encode(secret).decode()},
        handle=customer,
        last_characters=customer[-4:],
        sealed=vault.seal("key", secret),
    )
