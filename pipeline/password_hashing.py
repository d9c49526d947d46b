"""Hashes of passwords (scrypt, RFC 7914), which are stored with the parameters and the salt they were made with.

OWASP names parameters of equal strength: N=2^17 p=1, N=2^16 p=2, N=2^15 p=3, with r=8. N is a setting, r and p are not.
"""

import hmac
import os
import unicodedata
from base64 import b64decode, b64encode
from hashlib import scrypt
from threading import BoundedSemaphore

_R, _P = 8, 3
#: bytes of a salt, and of a hash
_SALT, _SIZE = 16, 32
#: bytes that are hashed of what is tried
_LONGEST = 4096
#: passwords that a process hashes at once: each takes 32 MB and tenths of a second of a core
_AT_ONCE = 2


class PasswordHashing:
    """Hashes and compares passwords, a few at a time."""

    def __init__(self, log_n: int) -> None:
        """Hash new passwords with N = 2^log_n."""
        self._log_n = log_n
        self._slots = BoundedSemaphore(_AT_ONCE)

    def hash(self, password: str) -> str:
        """Return the hash of a new password to store: `scrypt$15$8$3$salt$hash`."""
        salt = os.urandom(_SALT)
        digest = self._scrypt(password, salt, self._log_n, _R, _P)
        return "$".join(["scrypt", str(self._log_n), str(_R), str(_P), _spelt(salt), _spelt(digest)])

    def matches(self, password: str, stored: str | None) -> bool:
        """Tell whether a password is the one of a stored hash; where there is none it is not, after as much work."""
        if stored is None:
            self.hash(password)
            return False
        _, log_n, r, p, salt, digest = stored.split("$")
        found = self._scrypt(password, b64decode(salt), int(log_n), int(r), int(p))
        return hmac.compare_digest(found, b64decode(digest))

    def is_outdated(self, stored: str) -> bool:
        """Tell whether a hash was made with less work than new ones are."""
        _, log_n, r, p, *_ = stored.split("$")
        return (int(r) * int(p) << int(log_n)) < (_R * _P << self._log_n)

    def _scrypt(self, password: str, salt: bytes, log_n: int, r: int, p: int) -> bytes:
        octets = plain(password).encode("utf-8", "surrogatepass")[:_LONGEST]
        most = 128 * r * ((1 << log_n) + p + 2) + (1 << 20)
        with self._slots:
            return scrypt(octets, salt=salt, n=1 << log_n, r=r, p=p, maxmem=most, dklen=_SIZE)


def plain(password: str) -> str:
    """Return a password in the one form (NFKC) of the several that keyboards and systems give it."""
    return unicodedata.normalize("NFKC", password)


def _spelt(octets: bytes) -> str:
    return b64encode(octets).decode()
