"""Settings, read once from environment variables."""

import json
import re
from datetime import timedelta
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
#: TLS options known to both kombu and redis-py; those that name files
_TLS_FILES = {"ssl_ca_certs", "ssl_certfile", "ssl_keyfile"}

_DATABASE = re.compile("[0-9]*")


def _one_reading(url: SecretStr) -> SecretStr:
    """Return a Redis URL whose TLS options mean the same to kombu and redis-py; default: certificates are verified."""
    address, _, query = url.get_secret_value().partition("?")
    scheme, _, rest = address.partition("://")
    if scheme not in ("redis", "rediss"):
        return url
    if not _DATABASE.fullmatch(rest.rpartition("@")[2].partition("/")[2]):
        raise ValueError("the database after the / must be a number: redis://:password@host:port/0")
    options = dict(parse_qsl(query, keep_blank_values=True))
    if unknown := options.keys() - {"ssl_cert_reqs", *_TLS_FILES}:
        raise ValueError(f"unknown option {min(unknown)}: use ssl_cert_reqs, ssl_ca_certs, ssl_certfile or ssl_keyfile")
    if scheme == "redis":
        if options:
            raise ValueError(f"{min(options)} requires rediss://")
        return url
    if not (verified := _CERTIFICATES.get(options.get("ssl_cert_reqs", "required").lower())):
        raise ValueError("ssl_cert_reqs must be required, optional or none")
    for name in sorted(_TLS_FILES & options.keys()):
        if not Path(options[name]).is_file():
            raise ValueError(f"the file in {name} does not exist")
    return SecretStr(f"{address}?{urlencode(options | {'ssl_cert_reqs': verified}, safe='/')}")


RedisUrl = Annotated[SecretStr, AfterValidator(_one_reading)]


class Settings(BaseSettings):
    """All settings, as POSTROAD_NAME (and the usual DATABASE_URL, BROKER_URL)."""

    model_config = SettingsConfigDict(env_prefix="POSTROAD_", frozen=True, extra="ignore", populate_by_name=True)

    #: postgresql://user:password@host/name; empty: the embedded server under `home`
    database_url: SecretStr = Field(default=SecretStr(""), validation_alias=_either("DATABASE_URL"))
    #: redis://:password@host:port/0 or amqp://…; empty: the embedded Valkey under `home`
    broker_url: RedisUrl = Field(default=SecretStr(""), validation_alias=_either("BROKER_URL"))
    #: redis://…: for rate limits and nonces; empty: the broker where that is one
    valkey_url: RedisUrl = SecretStr("")
    #: at least 32 characters; hashes API keys and encrypts customers' secrets. If it is lost, every key is void
    secret_key: SecretStr = SecretStr("")
    #: the previous secret key, or a JSON list of previous ones, while `postroad secret rotate` replaces it
    secret_key_old: SecretStr = SecretStr("")
    #: where the embedded servers, their data and logs live
    home: Path = Path(".postroad")

    #: where the gateway listens, for customers' API requests and carriers' receipts
    gateway_host: str = "127.0.0.1"
    gateway_port: int = Field(default=8080, ge=1, le=65535)
    #: gateway processes that share the port: one per core
    gateway_processes: int = Field(default=1, ge=1, le=64)
    #: host names of the dialects beside their prefixes: `{"acme": "sms.example.org"}`
    gateway_hosts: dict[str, str] = {}
    #: proxies (CIDR) whose X-Forwarded-For is trusted
    gateway_proxies: tuple[str, ...] = ()
    #: seconds the gateway waits to process concurrent requests as one micro-batch
    gather_seconds: float = Field(default=0.003, ge=0, le=1)
    #: where the console listens
    console_host: str = "127.0.0.1"
    console_port: int = Field(default=8081, ge=1, le=65535)
    #: where `postroad metrics` listens; gateway processes serve theirs at the next ports. Port 0: they do not
    metrics_host: str = "127.0.0.1"
    metrics_port: int = Field(default=9464, ge=0, le=65535)
    flower_port: int = Field(default=5555, ge=1, le=65535)
    #: port of the simulator's HTTP API, and of its SMSC
    simulator_port: int = Field(default=8090, ge=1, le=65535)
    simulator_smpp_port: int = Field(default=2775, ge=1, le=65535)
    #: user:password of Flower; empty: generated at the first start, stored under `home`
    flower_basic_auth: SecretStr = SecretStr("")

    #: address of the console as its users reach it, for links; empty: its host and port
    console_url: str = ""
    #: hours after which an unused session of the console ends, and after which any ends
    session_idle_hours: float = Field(default=8, gt=0)
    session_hours: float = Field(default=72, gt=0)
    #: log2 of scrypt's N, for new passwords and for each user's at his next sign-in; takes 2^N KiB. Below 15: for tests
    password_log_n: int = Field(default=15, ge=10, le=20)

    #: networks (CIDR) that webhooks may be in though they are not public, without TLS too: your own services
    webhook_networks: tuple[str, ...] = ()
    #: allowed ports of webhooks at public addresses
    webhook_ports: tuple[int, ...] = (80, 443, 8080, 8443)
    #: allow webhooks to public addresses without TLS: they can then be read and forged on the way
    webhook_plain: bool = False
    #: concurrent webhook calls of one notifier, in all and at one endpoint (fewer while it fails)
    webhook_window: int = Field(default=400, ge=1, le=10_000)
    webhook_lane: int = Field(default=16, ge=1, le=1000)
    #: days of consecutive failures after which an endpoint is suspended
    webhook_failing_days: float = Field(default=5, gt=0)
    #: days for which finished deliveries can be listed and replayed, and their events are kept
    webhook_days: int = Field(default=30, ge=1)

    #: addresses, separated by commas, that get an e-mail when a campaign pauses itself or its check fails; empty: none
    alert_email_to: str = ""
    #: their sender; empty: the first of them
    alert_email_from: str = ""
    #: smtp://user:password@host:587 (STARTTLS where the server offers it) or smtps://…: the server that takes them
    smtp_url: SecretStr = SecretStr("")

    #: database connections per process
    pool_size: int = Field(default=4, ge=1)
    #: maximum messages per batch
    batch_size: int = Field(default=1000, ge=1, le=10_000)
    #: messages of a campaign that may be on their way before more of its rows become messages
    campaign_ahead: int = Field(default=20_000, ge=1)
    #: maximum messages with an unknown outcome when a worker is killed
    portion_size: int = Field(default=200, ge=1, le=1000)
    #: seconds a claim lasts unless renewed; three times the longest carrier deadline
    lease_seconds: float = Field(default=60, gt=0)
    #: seconds after which the hint of an unclaimed batch is published again
    stale_seconds: float = Field(default=15, gt=0)
    #: claims without progress after which a batch is parked as poison
    poison_claims: int = Field(default=3, ge=1)
    #: maximum days that `send_at` may be ahead
    lead_days: int = Field(default=366, ge=1)
    #: hours an attempt may stay `unknown` before its message fails and is refunded
    doubt_hours: float = Field(default=72, gt=0)
    #: seconds an OTP's outcome may be unknown before another carrier gets it
    doubt_seconds_otp: float = Field(default=20, gt=0)
    #: the same for a transactional message, in minutes
    doubt_minutes: float = Field(default=10, gt=0)
    #: how often a message may be sent again after its carrier accepted and lost it, or may have; 0: never
    resends: int = Field(default=1, ge=0, le=5)
    #: maximum cost of sending a message again, in millionths of its route's currency; none: no limit
    resend_cost: int | None = Field(default=None, ge=0)
    #: hours a receipt may wait for its attempt
    orphan_hours: float = Field(default=72, gt=0)
    #: days for which processed inbound messages are kept
    inbound_days: int = Field(default=90, ge=1)
    #: days for which unreadable input is kept, encrypted
    dead_letter_days: int = Field(default=14, ge=1)
    #: days for which the recipients of ended campaigns are kept; their counts stay
    campaign_rows_days: int = Field(default=90, ge=1)
    #: hours between two audits that the clock runs; 0: it runs none, and `postroad audit` must be run
    audit_hours: int = Field(default=24, ge=0, le=24)
    #: days for which entries of the audit log are kept
    audit_log_days: int = Field(default=3653, ge=1)
    #: hours for which the quote of a campaign may be approved
    campaign_quote_hours: float = Field(default=24, gt=0)
    #: hours before its time at which the next campaign of a series is created, checked, and approved if it is covered
    campaign_repeat_hours: float = Field(default=12, ge=0, le=20)
    #: days for which messages are counted by minute; sums by day are kept
    count_minutes_days: int = Field(default=8, ge=1)
    #: days an idempotency key is kept
    idempotency_days: int = Field(default=7, ge=1)
    #: whether to refuse numbers in ranges unknown to libphonenumber (its metadata lags behind new ranges)
    strict_numbers: bool = False

    @property
    def console_address(self) -> str:
        """Return the URL of the console, without a slash at its end."""
        host = "127.0.0.1" if self.console_host in ("", "0.0.0.0", "::") else self.console_host  # noqa: S104
        return self.console_url.rstrip("/") or f"http://{host}:{self.console_port}"

    @property
    def session_idle(self) -> timedelta:
        """Return after which time an unused session of the console ends."""
        return timedelta(hours=self.session_idle_hours)

    @property
    def session_length(self) -> timedelta:
        """Return after which time any session of the console ends."""
        return timedelta(hours=self.session_hours)

    @property
    def old_secret_keys(self) -> list[str]:
        """Return the previous secret keys, the latest first; ConfigurationError for a malformed list."""
        written = self.secret_key_old.get_secret_value()
        if not written.startswith("["):
            return [written] if written else []
        try:
            return [str(each) for each in json.loads(written)]
        except ValueError:
            raise ConfigurationError('POSTROAD_SECRET_KEY_OLD must be a JSON list, ["…", "…"], or one key') from None


@lru_cache(maxsize=1)
def settings() -> Settings:
    """Return this process's settings; ConfigurationError names the invalid one."""
    try:
        return Settings()
    except ValidationError as error:
        faults = (f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors())
        raise ConfigurationError("settings: " + "; ".join(faults)) from None
