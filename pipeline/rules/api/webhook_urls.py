"""Which webhook URLs and addresses are allowed (SSRF protection): public HTTPS, and what an operator allows besides.

A URL is checked twice: its syntax at registration, and each address its name resolves to at the call.
What passes both can only reach what is reachable from the public Internet.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import SplitResult, urlsplit

#: characters a URL may have
LONGEST = 2048

Network = IPv4Network | IPv6Network

#: IANA's special-purpose registries, multicast, and addresses cloud platforms reserve; Python's `is_global` differs
#: between patch releases
_SPECIAL_V4 = [
    IPv4Network(each)
    for each in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "168.63.129.16/32",  # Azure's platform
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/3",
    )
]
#: global unicast, without the special-purpose blocks inside it: protocols (Teredo too), documentation
_UNICAST_V6 = IPv6Network("2000::/3")
_SPECIAL_V6 = [IPv6Network(each) for each in ("2001::/23", "2001:db8::/32", "3fff::/20")]
#: IPv6 prefixes that embed an IPv4 address, and where in their bits it is
_NAT64, _SIX_TO_FOUR = IPv6Network("64:ff9b::/96"), IPv6Network("2002::/16")

_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_NAME = re.compile(rf"(?:{_LABEL}\.)*{_LABEL}\.?")
_PLAIN = re.compile(r"[!-~]+")
#: a name whose last label is a number is parsed as an IPv4 address by some resolvers: 127.1, 0x7f.1, 2130706433
_NUMBER = re.compile(r"[0-9]+|0[xX][0-9A-Fa-f]*")
_HERE = ("localhost", "local", "internal", "localdomain", "home.arpa")


@dataclass(frozen=True, slots=True)
class AllowedAddresses:
    """The addresses that an operator allows webhooks to reach."""

    #: networks allowed though they are not public, on any port and without TLS too
    networks: tuple[Network, ...] = ()
    #: allowed ports of public addresses
    ports: frozenset[int] = frozenset({443})
    #: whether public addresses may be called without TLS
    plain: bool = False


def parse_allowed(networks: Iterable[str], ports: Iterable[int], plain: bool) -> AllowedAddresses:
    """Return these settings, parsed; ValueError for an invalid network."""
    return AllowedAddresses(tuple(ip_network(each) for each in networks), frozenset(ports), plain)


def fault(url: str, allowed: AllowedAddresses) -> str | None:
    """Return why a URL is not allowed, for its owner, or None."""
    if len(url) > LONGEST:
        return f"a URL has at most {LONGEST} characters"
    if not _PLAIN.fullmatch(url) or "\\" in url:
        return "a URL must be printable ASCII without spaces and backslashes: percent-encode other characters"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "not a URL: write https://host/path"
    return _fault_of_parts(parts, port, allowed)


def _fault_of_parts(parts: SplitResult, port: int | None, allowed: AllowedAddresses) -> str | None:
    host = parts.hostname or ""
    address = address_of(host)
    if parts.scheme not in ("https", "http"):
        return "the URL must begin with https://"
    if "@" in parts.netloc:
        return "the URL must not have a user or password: webhooks are signed instead"
    if "#" in parts.geturl():
        return "the URL must not have a fragment"
    is_bracketed = "[" in parts.netloc
    if is_bracketed != isinstance(address, IPv6Address) or not (address or _is_name(host)):
        return "the URL's host is neither a name nor an IP address in its usual form"
    if is_inside(address, allowed) if address else allowed.networks:
        return None
    return _fault_outside(parts.scheme, port, host, allowed)


def _fault_outside(scheme: str, port: int | None, host: str, allowed: AllowedAddresses) -> str | None:
    """Return why a host outside the allowed networks may not be called, or None."""
    address = address_of(host)
    if scheme == "http" and not allowed.plain:
        return "the URL must begin with https://"
    if (port or (443 if scheme == "https" else 80)) not in allowed.ports:
        return f"the URL's port must be one of {', '.join(map(str, sorted(allowed.ports)))}"
    if not (is_public(address) if address else _is_elsewhere(host)):
        return "the URL's host is not on the public Internet"
    return None


def address_of(host: str) -> IPv4Address | IPv6Address | None:
    """Return the IP address that a URL's host is written as, or None where it is a name."""
    try:
        return ip_address(host)
    except ValueError:
        return None


def _is_name(host: str) -> bool:
    last = host.rstrip(".").rpartition(".")[2]
    return len(host) <= 253 and bool(_NAME.fullmatch(host)) and not _NUMBER.fullmatch(last)


def _is_elsewhere(name: str) -> bool:
    bare = name.rstrip(".")
    return "." in bare and not any(bare.endswith(f".{each}") for each in _HERE)


def may_be_called(address: str, port: int, allowed: AllowedAddresses, *, tls: bool) -> bool:
    """Tell whether a connection to this address and port is allowed."""
    found = address_of(address)
    if found is None:
        return False
    if is_inside(found, allowed):
        return True
    return is_public(found) and port in allowed.ports and (tls or allowed.plain)


def is_inside(address: IPv4Address | IPv6Address, allowed: AllowedAddresses) -> bool:
    """Tell whether the address is in a network that the operator allows."""
    plain = _plain(address)
    return any(plain in network for network in allowed.networks)


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Tell whether the address is public, and embeds no other that is not."""
    plain = _plain(address)
    if isinstance(plain, IPv4Address):
        return not any(plain in network for network in _SPECIAL_V4)
    if plain.scope_id:
        return False
    if plain in _NAT64:
        return is_public(IPv4Address(int(plain) & 0xFFFFFFFF))
    if plain in _SIX_TO_FOUR:
        return is_public(IPv4Address(int(plain) >> 80 & 0xFFFFFFFF))
    return plain in _UNICAST_V6 and not any(plain in network for network in _SPECIAL_V6)


def _plain(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """Return the IPv4 address of an IPv4-mapped one (`::ffff:`)."""
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address
