"""Fixtures of the tests of users: a secret key of their own, so that no test counts another's attempts to sign in."""

import secrets

import pytest
from pydantic import SecretStr

from pipeline.settings import Settings


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"secret_key": SecretStr(secrets.token_hex()), "password_log_n": 10})
