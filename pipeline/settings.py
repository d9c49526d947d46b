"""Every knob, read once from the environment, frozen."""

import json
import re
from functools import lru_cache
from pathlib import Path
from typing import Annotated
from urllib.parse import parse_qsl, urlencode

from pydantic import AfterValidator, AliasChoices, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from pipeline.errors import ConfigurationError


def _either(name: str) -> AliasChoices:
    return AliasChoices(f"POSTROAD_{name}", name)


_CERTIFICATES = {
    "cert_required": "required",
    "cert_optional": "optional",
    "cert_none": "none",
    "required": "required",
    "optional": "optional",
    "none": "none",
}
#: what both kombu and redis-py know; those that name files
_TLS_FILES = {"ssl_ca_certs", "ssl_certfile", "ssl_keyfile"}

_DATABASE = re.compile("[0-9]*")


def _one_reading(url: SecretStr) -> SecretStr:
    """Return a Redis URL whose TLS options kombu and redis-py read alike; by default certificates are verified."""
    address, _, query = url.get_secret_value().partition("?")
    scheme, _, rest = address.partition("://")
    if scheme not in ("redis", "rediss"):
        return url
    if not _DATABASE.fullmatch(rest.rpartition("@")[2].partition("/")[2]):
        raise ValueError("the database behind the / is a number: redis://:password@host:port/0")
    options = dict(parse_qsl(query, keep_blank_values=True))
    if unknown := options.keys() - {"ssl_cert_reqs", *_TLS_FILES}:
        raise ValueError(f"{min(unknown)} is no option: write ssl_cert_reqs, ssl_ca_certs, ssl_certfile, ssl_keyfile")
    if scheme == "redis":
        if options:
            raise ValueError(f"{min(options)} is for rediss://")
        return url
    if not (verified := _CERTIFICATES.get(options.get("ssl_cert_reqs", "required").lower())):
        raise ValueError("ssl_cert_reqs is required, optional or none")
    for name in sorted(_TLS_FILES & options.keys()):
        if not Path(options[name]).is_file():
            raise ValueError(f"{name} names no file")
    return SecretStr(f"{address}?{urlencode(options | {'ssl_cert_reqs': verified}, safe='/')}")


RedisUrl = Annotated[SecretStr, AfterValidator(_one_reading)]


class Settings(BaseSettings):
    """What an operator may set, as POSTROAD_NAME (and the usual DATABASE_URL, BROKER_URL)."""

    model_config = SettingsConfigDict(env_prefix="POSTROAD_", frozen=True, extra="ignore", populate_by_name=True)

    #: postgresql://user:password@host/name; empty: the embedded server under `home`
    database_url: SecretStr = Field(default=SecretStr(""), validation_alias=_either("DATABASE_URL"))
    #: redis://:password@host:port/0 or amqp://…; empty: the embedded Valkey under `home`
    broker_url: RedisUrl = Field(default=SecretStr(""), validation_alias=_either("BROKER_URL"))
    #: redis://…: what limits calls and remembers nonces; empty: the broker where that is one
    valkey_url: RedisUrl = SecretStr("")
    #: at least 32 characters; hashes the keys customers show and seals their secrets. Lose it and every key is void
    secret_key: SecretStr = SecretStr("")
    #: the secret key before it, or a JSON list of those, while `postroad secret rotate` replaces it
    secret_key_old: SecretStr = SecretStr("")
    #: where the embedded servers, their data and logs live
    home: Path = Path(".postroad")

    #: where the gateway listens: customers call there and carriers post their receipts
    gateway_host: str = "127.0.0.1"
    gateway_port: int = Field(default=8080, ge=1, le=65535)
    #: processes that share the gateway's port: one for each core it may have
    gateway_processes: int = Field(default=1, ge=1, le=64)
    #: host names of the dialects beside their prefixes: `{"acme": "sms.example.org"}`
    gateway_hosts: dict[str, str] = {}
    #: proxies (CIDR) whose X-Forwarded-For is believed
    gateway_proxies: tuple[str, ...] = ()
    #: seconds the gateway waits for calls that arrive together
    gather_seconds: float = Field(default=0.003, ge=0, le=1)
    flower_port: int = Field(default=5555, ge=1, le=65535)
    #: where the simulator plays carriers over HTTP, and where it is an SMSC
    simulator_port: int = Field(default=8090, ge=1, le=65535)
    simulator_smpp_port: int = Field(default=2775, ge=1, le=65535)
    #: user:password of Flower's pages and API; empty: made at the first start, kept under `home`
    flower_basic_auth: SecretStr = SecretStr("")

    #: networks (CIDR) that webhooks may lie in though they are not public, without TLS too: your own services
    webhook_networks: tuple[str, ...] = ()
    #: ports of public addresses that webhooks may be called at
    webhook_ports: tuple[int, ...] = (80, 443, 8080, 8443)
    #: call public addresses without TLS too: what became of whose message can be read and forged on the way
    webhook_plain: bool = False
    #: calls one notifier has open at once, in all and at one endpoint (fewer while it fails)
    webhook_window: int = Field(default=400, ge=1, le=10_000)
    webhook_lane: int = Field(default=16, ge=1, le=1000)
    #: days of nothing but failures after which an endpoint is called no more
    webhook_failing_days: float = Field(default=5, gt=0)
    #: days for which calls that were made (or given up) can be listed and replayed, and the moves they told of are kept
    webhook_days: int = Field(default=30, ge=1)

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
    #: seconds for which a code may be in doubt before another carrier is given it
    doubt_seconds_otp: float = Field(default=20, gt=0)
    #: minutes for which a transactional message may be
    doubt_minutes: float = Field(default=10, gt=0)
    #: how often a message may be sent once more after its carrier took it and lost it, or may have; 0: never
    resends: int = Field(default=1, ge=0, le=5)
    #: what a carrier may ask for sending a message once more, in millionths of its route's currency; none: no limit
    resend_cost: int | None = Field(default=None, ge=0)
    #: hours a receipt may wait for its attempt
    orphan_hours: float = Field(default=72, gt=0)
    #: days for which messages from handsets are kept once they are heeded
    inbound_days: int = Field(default=90, ge=1)
    #: days for which input that could not be read is kept, sealed
    dead_letter_days: int = Field(default=14, ge=1)
    #: days an idempotency key is kept
    idempotency_days: int = Field(default=7, ge=1)
    #: also refuse numbers whose range libphonenumber does not know (its tables lag behind new ranges)
    strict_numbers: bool = False

    @property
    def old_secret_keys(self) -> list[str]:
        """Return the secret keys before the present one, the latest first; ConfigurationError when it is no list."""
        written = self.secret_key_old.get_secret_value()
        if not written.startswith("["):
            return [written] if written else []
        try:
            return [str(each) for each in json.loads(written)]
        except ValueError:
            raise ConfigurationError('POSTROAD_SECRET_KEY_OLD is no JSON list: write ["…", "…"], or one key') from None


@lru_cache(maxsize=1)
def settings() -> Settings:
    """Return this process's settings; ConfigurationError names the one that does not fit."""
    try:
        return Settings()
    except ValidationError as error:
        faults = (f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors())
        raise ConfigurationError("settings: " + "; ".join(faults)) from None
