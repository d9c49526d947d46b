"""What the tests of webhooks may ask for: a customer's server, and settings that let us reach it."""

from collections.abc import Iterator

import pytest
from pydantic import SecretStr

from pipeline.settings import Settings
from tests.workers.webhooks.receiver import Receiver


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A customer's server."""
    found = Receiver()
    found.start()
    yield found
    found.stop()


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Settings that let webhooks reach 127.0.0.1, and nothing else of 127/8."""
    return settings.model_copy(
        update={
            "secret_key": SecretStr("a secret of these tests, long enough"),
            "webhook_networks": ("127.0.0.1/32",),
        }
    )
