"""Fixtures of the webhook tests: a customer's server, and settings that allow its address."""

from collections.abc import Iterator

import pytest
from pydantic import SecretStr

from pipeline.settings import Settings
from tests.workers.webhooks.receiver import Receiver


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """Yield a customer's server."""
    found = Receiver()
    found.start()
    yield found
    found.stop()


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Return settings that allow webhooks to 127.0.0.1 and to no other address of 127/8."""
    return settings.model_copy(
        update={
            "secret_key": SecretStr("a secret of these tests, long enough"),
            "webhook_networks": ("127.0.0.1/32",),
        }
    )
