"""What only we may know: keyed hashes of what customers show us, and secrets encrypted for the database.

Everything hangs on one secret of the installation, POSTROAD_SECRET_KEY; each use has a key of its own derived from it
(RFC 5869), so that nothing made for one purpose is good for another.
"""

import hmac
import os
from hashlib import sha256

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from pipeline.errors import ConfigurationError

#: bytes of an AES-GCM nonce (NIST SP 800-38D)
_NONCE = 12
#: how what we seal begins: the way it was sealed
_VERSION = b"\x01"
#: characters a secret key needs at least
SHORTEST = 32


class Vault:
    """Hashes and seals with one installation's secret."""

    def __init__(self, secret: str) -> None:
        """Derive the keys; ConfigurationError when the secret is missing or short."""
        if len(secret) < SHORTEST:
            raise ConfigurationError(
                f"POSTROAD_SECRET_KEY must have at least {SHORTEST} characters: make one with `openssl rand -hex 32`"
            )
        self._hashing = _derive(secret, b"hash")
        self._sealing = AESGCM(_derive(secret, b"seal"))

    def digest(self, purpose: str, *parts: bytes | str) -> bytes:
        """Return the keyed hash (HMAC-SHA256) of the parts for a purpose: 32 bytes."""
        state = hmac.new(self._hashing, _framed(purpose), sha256)
        for part in parts:
            state.update(_framed(part))
        return state.digest()

    def matches(self, digest: bytes, purpose: str, *parts: bytes | str) -> bool:
        """Tell, in constant time, whether that is the digest of the parts."""
        return hmac.compare_digest(digest, self.digest(purpose, *parts))

    def seal(self, purpose: str, secret: bytes) -> bytes:
        """Return the secret encrypted (AES-256-GCM); it opens for the same purpose only."""
        nonce = os.urandom(_NONCE)
        return _VERSION + nonce + self._sealing.encrypt(nonce, secret, purpose.encode())

    def open(self, purpose: str, sealed: bytes) -> bytes:
        """Return what was sealed; ConfigurationError when it was sealed under another secret key."""
        nonce, rest = sealed[1 : 1 + _NONCE], sealed[1 + _NONCE :]
        try:
            return self._sealing.decrypt(nonce, rest, purpose.encode())
        except (InvalidTag, ValueError):
            raise ConfigurationError(
                "a secret in the database was sealed under another POSTROAD_SECRET_KEY than this one"
            ) from None


def _derive(secret: str, use: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=b"postroad/" + use).derive(secret.encode())


def _framed(part: bytes | str) -> bytes:
    octets = part.encode("utf-8", "surrogatepass") if isinstance(part, str) else part
    return len(octets).to_bytes(4, "big") + octets
