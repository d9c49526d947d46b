"""What only we may know: keyed hashes of what customers show us, and secrets encrypted for the database.

Everything hangs on one secret of the installation, POSTROAD_SECRET_KEY; each use has a key of its own derived from it
(RFC 5869), so that nothing made for one purpose is good for another. While the secret is being replaced the one before
it (POSTROAD_SECRET_KEY_OLD) still opens and matches; everything new is made with the new one.
"""

import hmac
import os
from collections.abc import Sequence
from hashlib import sha256

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from pipeline.errors import ConfigurationError

#: bytes of an AES-GCM nonce (NIST SP 800-38D)
_NONCE = 12
#: how what we seal begins: sealed before secrets had versions, and since, followed by the version's id
_UNVERSIONED, _VERSIONED = b"\x01", b"\x02"
#: bytes of a version's id
_ID = 4
#: characters a secret key needs at least
SHORTEST = 32


class Vault:
    """Hashes and seals with one installation's secret."""

    def __init__(self, secret: str, old: Sequence[str] = ()) -> None:
        """Derive the keys of the secret, and of those before it; ConfigurationError when one is missing or short."""
        if len(secret) < SHORTEST:
            raise ConfigurationError(
                f"POSTROAD_SECRET_KEY must have at least {SHORTEST} characters: make one with `openssl rand -hex 32`"
            )
        self._hashing = _derive(secret, b"hash")
        self._sealing = AESGCM(_derive(secret, b"seal"))
        #: tells this version of the secret from others, and nothing of the secret itself
        self.id = _derive(secret, b"id")[:_ID]
        #: the secrets before it, the latest first
        self.old = tuple(Vault(each) for each in old if each != secret)

    @property
    def versions(self) -> "tuple[Vault, ...]":
        """Return this version of the secret and those before it, the latest first."""
        return (self, *self.old)

    def digest(self, purpose: str, *parts: bytes | str) -> bytes:
        """Return the keyed hash (HMAC-SHA256) of the parts for a purpose: 32 bytes."""
        state = hmac.new(self._hashing, _framed(purpose), sha256)
        for part in parts:
            state.update(_framed(part))
        return state.digest()

    def matches(self, digest: bytes, purpose: str, *parts: bytes | str) -> bool:
        """Tell, in constant time, whether that is the digest of the parts, under this secret or one before it."""
        found = [hmac.compare_digest(digest, each.digest(purpose, *parts)) for each in self.versions]
        return any(found)

    def seal(self, purpose: str, secret: bytes) -> bytes:
        """Return the secret encrypted (AES-256-GCM); it opens for the same purpose only."""
        nonce = os.urandom(_NONCE)
        return _VERSIONED + self.id + nonce + self._sealing.encrypt(nonce, secret, purpose.encode())

    def open(self, purpose: str, sealed: bytes) -> bytes:
        """Return what was sealed; ConfigurationError when it was sealed under another secret key."""
        for version in self.versions:
            opened = version._open(purpose, sealed)
            if opened is not None:
                return opened
        raise ConfigurationError(
            "a secret in the database was sealed under another POSTROAD_SECRET_KEY than this one;"
            " is it the one before? Give that as POSTROAD_SECRET_KEY_OLD"
        )

    def is_current(self, sealed: bytes) -> bool:
        """Tell whether that was sealed under this version of the secret, and not under one before it."""
        return sealed.startswith(_VERSIONED + self.id)

    def _open(self, purpose: str, sealed: bytes) -> bytes | None:
        head = len(_VERSIONED) + _ID if sealed.startswith(_VERSIONED + self.id) else len(_UNVERSIONED)
        nonce, rest = sealed[head : head + _NONCE], sealed[head + _NONCE :]
        try:
            return self._sealing.decrypt(nonce, rest, purpose.encode())
        except (InvalidTag, ValueError):
            return None


def _derive(secret: str, use: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=b"postroad/" + use).derive(secret.encode())


def _framed(part: bytes | str) -> bytes:
    octets = part.encode("utf-8", "surrogatepass") if isinstance(part, str) else part
    return len(octets).to_bytes(4, "big") + octets
