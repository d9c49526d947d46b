"""Solaris API keys: their settings and scopes, and how one is generated."""

from dataclasses import dataclass
from uuid import uuid4

from pipeline.dialects.contract import SECRET, random_word
from pipeline.rules.api.key_settings import DAY, EVERY, MOST, SENDER, number, whole
from pipeline.vault import Vault
from schema.api import ApiKey, NewKey

SETTINGS = {
    **EVERY,
    "sender": SENDER,
    "recipient_burst": whole(1, MOST),
    "recipient_seconds": number(DAY),
    "token_seconds": whole(1, DAY),
    "code_seconds": whole(1, DAY),
    "code_attempts": whole(1, 100),
    "hard_cap": whole(1, MOST),
}
SCOPES = ("persons", "sending")


@dataclass(frozen=True, slots=True)
class PartnerSettings:
    """The settings of one key, or their defaults."""

    #: the sender of all its messages; None: the account's first approved one
    sender: str | None
    #: burst of SMS to one number, and seconds in which it is refilled
    recipient_burst: int
    recipient_seconds: float
    #: lifetime of an access token in seconds
    token_seconds: int
    #: lifetime of a verification code in seconds, and wrong guesses that void it
    code_seconds: int
    code_attempts: int
    #: most codes an hour to one number
    hard_cap: int


def read(key: ApiKey) -> PartnerSettings:
    """Return the settings of a key, with defaults for those that are not set."""
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


def make_key(vault: Vault, _test: bool) -> NewKey:
    """Return a new key: a client id, and a client secret of which only a hash is stored."""
    client, secret = uuid4().hex, random_word(48)
    return NewKey(
        {"client_id": client, "client_secret": secret},
        handle=client,
        last_characters=client[-4:],
        secret_hash=vault.digest(SECRET, client, secret),
    )
