"""Vault: keyed hashes of API credentials (HMAC-SHA256), and encryption of secrets in the database (AES-256-GCM).

All keys are derived from the installation's secret POSTROAD_SECRET_KEY, one for each purpose
(RFC 5869), so that nothing made for one purpose is valid for another. While the secret is being rotated the previous
one (POSTROAD_SECRET_KEY_OLD) still opens and matches; everything new is made with the new one.
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
#: first byte of sealed values: before versions existed, and since, followed by the version's id
_UNVERSIONED, _VERSIONED = b"\x01", b"\x02"
#: bytes of a version's id
_ID = 4
#: minimum characters of a secret key
SHORTEST = 32


class Vault:
    """Hashes and encrypts with one installation's secret."""

    def __init__(self, secret: str, old: Sequence[str] = ()) -> None:
        """Derive the keys of the secret, and of previous ones; ConfigurationError when one is missing or short."""
        if len(secret) < SHORTEST:
            raise ConfigurationError(
                f"POSTROAD_SECRET_KEY must have at least {SHORTEST} characters: make one with `openssl rand -hex 32`"
            )
        self._hashing = _derive(secret, b"hash")
        self._sealing = AESGCM(_derive(secret, b"seal"))
        #: identifies this version of the secret, and reveals nothing of it
        self.id = _derive(secret, b"id")[:_ID]
        #: the previous secrets, the latest first
        self.old = tuple(Vault(each) for each in old if each != secret)

    @property
    def versions(self) -> "tuple[Vault, ...]":
        """Return this version of the secret and the previous ones, the latest first."""
        return (self, *self.old)

    def digest(self, purpose: str, *parts: bytes | str) -> bytes:
        """Return the keyed hash (HMAC-SHA256) of the parts for a purpose: 32 bytes."""
        state = hmac.new(self._hashing, _framed(purpose), sha256)
        for part in parts:
            state.update(_framed(part))
        return state.digest()

    def matches(self, digest: bytes, purpose: str, *parts: bytes | str) -> bool:
        """Tell, in constant time, whether this is the digest of the parts, with this secret or a previous one."""
        found = [hmac.compare_digest(digest, each.digest(purpose, *parts)) for each in self.versions]
        return any(found)

    def seal(self, purpose: str, secret: bytes) -> bytes:
        """Return the secret encrypted (AES-256-GCM); it opens for the same purpose only."""
        nonce = os.urandom(_NONCE)
        return _VERSIONED + self.id + nonce + self._sealing.encrypt(nonce, secret, purpose.encode())

    def open(self, purpose: str, sealed: bytes) -> bytes:
        """Return what was sealed; ConfigurationError when it was sealed with another secret key."""
        for version in self.versions:
            opened = version._open(purpose, sealed)
            if opened is not None:
                return opened
        raise ConfigurationError(
            "a secret in the database was sealed with another POSTROAD_SECRET_KEY than this one;"
            " is it the previous one? Set that as POSTROAD_SECRET_KEY_OLD"
        )

    def is_current(self, sealed: bytes) -> bool:
        """Tell whether it was sealed with this version of the secret, and not with a previous one."""
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
