"""The broker's own channel, for tests that read or delete its keys."""

from kombu import Connection
from kombu.transport.redis import Channel


def redis_channel(connection: Connection) -> Channel:
    """Return the connection's channel; its `client` is the client of Valkey."""
    channel = connection.default_channel
    assert isinstance(channel, Channel)
    return channel
