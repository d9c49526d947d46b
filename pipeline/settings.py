"""Every knob, read once from the environment, frozen."""

from functools import lru_cache
from pathlib import Path

from pydantic import AliasChoices, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from pipeline.errors import ConfigurationError


def _either(name: str) -> AliasChoices:
    return AliasChoices(f"POSTROAD_{name}", name)


class Settings(BaseSettings):
    """What an operator may set, as POSTROAD_NAME (and the usual DATABASE_URL, BROKER_URL)."""

    model_config = SettingsConfigDict(env_prefix="POSTROAD_", frozen=True, extra="ignore", populate_by_name=True)

    #: postgresql://user:password@host/name; empty: the embedded server under `home`
    database_url: SecretStr = Field(default=SecretStr(""), validation_alias=_either("DATABASE_URL"))
    #: redis://:password@host:port/0 or amqp://…; empty: the embedded Valkey under `home`
    broker_url: SecretStr = Field(default=SecretStr(""), validation_alias=_either("BROKER_URL"))
    #: where the embedded servers, their data and logs live
    home: Path = Path(".postroad")

    #: where the gateway listens; carriers post their receipts there
    gateway_host: str = "127.0.0.1"
    gateway_port: int = Field(default=8080, ge=1, le=65535)
    flower_port: int = Field(default=5555, ge=1, le=65535)
    simulator_port: int = Field(default=8090, ge=1, le=65535)
    #: user:password of Flower's pages and API; empty: made at the first start, kept under `home`
    flower_basic_auth: SecretStr = SecretStr("")

    #: connections one process may hold
    pool_size: int = Field(default=4, ge=1)
    #: messages one batch row may hold
    batch_size: int = Field(default=1000, ge=1, le=10_000)
    #: messages that may be in doubt when a child is killed
    portion_size: int = Field(default=200, ge=1, le=1000)
    #: seconds a claim holds without a sign of life; three times the longest carrier deadline
    lease_seconds: float = Field(default=60, gt=0)
    #: seconds after which a batch that nobody took is hinted again
    stale_seconds: float = Field(default=15, gt=0)
    #: claims without progress after which a batch is parked as poison
    poison_claims: int = Field(default=3, ge=1)
    #: days ahead `send_at` may lie
    lead_days: int = Field(default=366, ge=1)
    #: hours an attempt may stay `unknown` before its message fails and its money is given back
    doubt_hours: float = Field(default=72, gt=0)
    #: hours a receipt may wait for its attempt
    orphan_hours: float = Field(default=72, gt=0)
    #: days an idempotency key is kept
    idempotency_days: int = Field(default=7, ge=1)
    #: also refuse numbers whose range libphonenumber does not know (its tables lag behind new ranges)
    strict_numbers: bool = False


@lru_cache(maxsize=1)
def settings() -> Settings:
    """Return this process's settings; ConfigurationError names the one that does not fit."""
    try:
        return Settings()
    except ValidationError as error:
        faults = (f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors())
        raise ConfigurationError("settings: " + "; ".join(faults)) from None
