"""The URLs of this installation's database and broker: as configured, or of the embedded servers of `postroad up`."""

from kombu.utils.url import parse_url
from pydantic import SecretStr

from pipeline.errors import ConfigurationError
from pipeline.settings import Settings, settings
from workers import generated_secrets
from workers.running_servers import running

_BROKERS = ("redis", "rediss", "amqp", "amqps", "pyamqp")


def with_local_servers() -> Settings:
    """Return the settings, with the URLs of the running embedded servers where none are configured."""
    given = settings()
    wanting = [name for name in ("database_url", "broker_url") if not getattr(given, name).get_secret_value()]
    found = running(given.home) if wanting else None
    update = {name: SecretStr(getattr(found, name)) for name in wanting} if found else {}
    if not given.secret_key.get_secret_value() and (key := generated_secrets.known_password(given.home, "secret_key")):
        update["secret_key"] = SecretStr(key)
    return given.model_copy(update=update) if update else given


def broker_url(given: Settings) -> str:
    """Return the broker's URL; ConfigurationError when it is missing, malformed or of an unsupported scheme."""
    url = given.broker_url.get_secret_value()
    if not url:
        words = f"BROKER_URL is not set and no embedded server runs here ({given.home.absolute()})"
        raise ConfigurationError(f"{words}: start one with `postroad up`")
    scheme = url.partition(":")[0]
    if scheme not in _BROKERS:
        raise ConfigurationError(f"BROKER_URL has the scheme {scheme}: use redis://… or amqp://…")
    try:
        parse_url(url)
    except ValueError:
        raise ConfigurationError("BROKER_URL cannot be parsed: write redis://:password@host:port/0") from None
    return url
