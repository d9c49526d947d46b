"""What an operator may set on a partner's key."""

from dataclasses import dataclass

from schema.api import ApiKey


@dataclass(frozen=True, slots=True)
class PartnerSettings:
    """A key's settings of these names, or the defaults."""

    #: the sender of all its messages; None: the account's first approved one
    sender: str | None
    #: SMS that one number may be sent at once, and the seconds in which as many grow back
    recipient_burst: int
    recipient_seconds: float
    #: how long an access token is good for
    token_seconds: int
    #: how long a code is good for, and how many wrong ones end it
    code_seconds: int
    code_attempts: int
    #: codes an hour to one number
    hard_cap: int


def terms(key: ApiKey) -> PartnerSettings:
    """Return the terms of a key."""
    said = key.settings
    return PartnerSettings(
        sender=said.get("sender"),
        recipient_burst=int(said.get("recipient_burst", 5)),
        recipient_seconds=float(said.get("recipient_seconds", 60)),
        token_seconds=int(said.get("token_seconds", 3600)),
        code_seconds=int(said.get("code_seconds", 300)),
        code_attempts=int(said.get("code_attempts", 3)),
        hard_cap=int(said.get("hard_cap", 5)),
    )
