"""Sealed orders: an order's JSON, encrypted by its producer, so that access to the broker does not reveal it.

    {"sealed": "1.<key id>.<base64url of nonce, ciphertext and tag>"}

AES-256-GCM (NIST SP 800-38D) with the key of one account, a nonce of 12 random bytes, and the task's id as additional
data: a successful decryption proves that the producer holds the account's key and made it for this very task.
docs/sealed-orders.md describes the format for other languages.
"""

import base64
import json
import os
import re
from dataclasses import dataclass, field
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

#: the one field of a sealed order
FIELD = "sealed"

_VERSION = "1"
_NONCE = 12
_KEY = re.compile(r"pk_([0-9a-f]{16})_([0-9a-f]{64})")
_SEALED = re.compile(r"1\.([0-9a-f]{16})\.([A-Za-z0-9_-]{38,})")


class SealBroken(ValueError):
    """A sealed order cannot be opened; the message says why and holds nothing of its content."""


@dataclass(frozen=True, slots=True)
class ProducerKey:
    """The key of one account's producers: `pk_<id>_<secret>`."""

    #: 16 hex digits: its public identifier
    id: str
    secret: bytes = field(repr=False)

    @classmethod
    def make(cls) -> "ProducerKey":
        """Return a new key."""
        return cls(os.urandom(8).hex(), os.urandom(32))

    @classmethod
    def read(cls, written: str) -> "ProducerKey":
        """Parse `pk_<id>_<secret>`; ValueError if it is malformed."""
        found = _KEY.fullmatch(written.strip())
        if found is None:
            raise ValueError("not a producer key: it must begin with pk_ and have 84 characters")
        return cls(found[1], bytes.fromhex(found[2]))

    def __str__(self) -> str:
        """Return the key as it is configured: `pk_<id>_<secret>`."""
        return f"pk_{self.id}_{self.secret.hex()}"

    def seal(self, task_id: str, order: dict[str, Any]) -> dict[str, str]:
        """Return the order encrypted for the task with this id."""
        nonce = os.urandom(_NONCE)
        text = json.dumps(order, ensure_ascii=False, separators=(",", ":")).encode()
        content = nonce + AESGCM(self.secret).encrypt(nonce, text, task_id.encode())
        return {FIELD: f"{_VERSION}.{self.id}.{base64.urlsafe_b64encode(content).rstrip(b'=').decode()}"}

    def open(self, task_id: str, sealed: str) -> Any:
        """Decrypt what was sealed for the task with this id and parse its JSON; SealBroken says why it cannot."""
        found = _SEALED.fullmatch(sealed)
        if found is None or found[1] != self.id:
            raise SealBroken("it is not sealed with this key")
        try:
            content = base64.urlsafe_b64decode(found[2] + "=" * (-len(found[2]) % 4))
            text = AESGCM(self.secret).decrypt(content[:_NONCE], content[_NONCE:], task_id.encode())
            return json.loads(text)
        except InvalidTag:
            raise SealBroken("it was not sealed with this key for a task of this id") from None
        except (ValueError, RecursionError):
            raise SealBroken("its content is not JSON") from None


def key_of(order: Any) -> str | None:
    """Return the id of the key that an order is sealed with, "" where it is unreadable; None: it is not sealed."""
    if not isinstance(order, dict) or FIELD not in order:
        return None
    found = _SEALED.fullmatch(order[FIELD]) if len(order) == 1 and isinstance(order[FIELD], str) else None
    return found[1] if found else ""
