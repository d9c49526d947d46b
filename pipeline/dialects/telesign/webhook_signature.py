"""The signature of TeleSign's webhooks: HMAC-SHA256 of the raw body with the API key, as requests are signed."""

from collections.abc import Sequence

from pipeline.dialects.telesign import authentication


def sign(customer: str, secrets: Sequence[bytes], body: bytes) -> str:
    """Return the value of `Authorization`: the customer's id, and the signature of a body with the newest secret."""
    return f"TSA {customer}:{authentication.sign(secrets[0], body).decode()}"
