"""Tokens of users' sessions and one-time links: their hashes, which are stored, and the tokens of forms (CSRF).

A token has 256 random bits, so that its plain SHA-256 reveals nothing and cannot be searched for.
"""

import hmac
from hashlib import sha256
from ipaddress import IPv4Address, ip_address, ip_network

#: random bytes of a token
TOKEN_SIZE = 32
#: bits of an IPv6 address that are one customer's
_IPV6_PREFIX = 64


def token_hash(token: str) -> bytes:
    """Return what is stored of a token."""
    return sha256(token.encode("utf-8", "surrogatepass")).digest()


def csrf_token(token: str) -> str:
    """Return the token of a session's forms; the session's token cannot be computed from it."""
    return hmac.new(token.encode("utf-8", "surrogatepass"), b"csrf", sha256).hexdigest()


def network_of(address: str) -> str:
    """Return the network that attempts to sign in are counted by: the IPv4 address, or the /64 of IPv6."""
    try:
        read = ip_address(address)
    except ValueError:
        return address
    plain = getattr(read, "ipv4_mapped", None) or read
    return str(plain if isinstance(plain, IPv4Address) else ip_network((plain, _IPV6_PREFIX), strict=False))
