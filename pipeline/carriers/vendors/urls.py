"""Callback URLs: adding query parameters, and the forms of a URL that a vendor may have signed."""

from collections.abc import Iterator, Mapping
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlencode, urlsplit, urlunsplit

#: further ports that are tried: those of proxies in front of us
_PORTS = (443, 80, 8443, 8080)
_USUAL_PORT = {"https": 443, "http": 80}


def with_query(url: str, more: Mapping[str, str]) -> str:
    """Return a URL with further query parameters, before its fragment; an existing one gets the new value."""
    parts = urlsplit(url)
    there = [
        pair for pair in parts.query.split("&") if pair and not {name for name, _ in parse_qsl(pair)} & more.keys()
    ]
    return urlunsplit(parts._replace(query="&".join([*there, urlencode(more)])))


def around(url: str, name: str) -> tuple[str, str]:
    """Return what precedes and follows the value of a parameter added to a URL's query."""
    before, mark, after = with_query(url, {name: ""}).partition("#")
    return before, mark + after


def without_fragment(url: str) -> str:
    """Return a URL without its fragment, which clients do not send and signatures do not cover."""
    return urlunsplit(urlsplit(url)._replace(fragment=""))


def called(configured: str, raw_path: str, otherwise: str) -> str:
    """Return the URL that was called, as the caller sees it: behind a proxy we see only part of it.

    `configured` is the configured URL, "" where it is not known (then `otherwise`, scheme and authority, is
    used); `raw_path` is path and query as received.
    """
    path, mark, query = raw_path.partition("?")
    parts = urlsplit(configured)
    base = urlunsplit(parts._replace(query="", fragment="")) if configured else f"{otherwise}{path}"
    return f"{base}{mark}{query}"


def signed_forms(url: str, headers: Mapping[str, str]) -> Iterator[str]:
    """Yield the forms of a called URL that may be the one that was signed, the likeliest first.

    With its port and without, as Twilio's own libraries try them (RequestValidator.validate), and with the port of
    the request; with the scheme before a proxy; with and without a slash at the end of its path; its host in
    lower case, without its credentials; and with path and query escaped as little and as much as possible.
    """
    parts = urlsplit(url)
    yield url
    path, query = parts.path.rstrip("/"), unquote(parts.query)
    paths = dict.fromkeys((parts.path, path, f"{path}/", unquote(parts.path)))
    bases = [
        parts._replace(scheme=scheme, netloc=authority)
        for scheme in (parts.scheme, *({"https", "http"} - {parts.scheme}))
        for authority in _authorities(parts, scheme, headers)
    ]
    queries = (query, quote(query, "=&"), parts.query.replace("+", "%20"), parts.query.replace("%20", "+"))
    found = [urlunsplit(each._replace(path=other)) for other in paths for each in (parts, *bases)]
    found += [urlunsplit(parts._replace(query=other)) for other in queries]
    yield from dict.fromkeys(each for each in found if each != url)


def _authorities(parts: SplitResult, scheme: str, headers: Mapping[str, str]) -> Iterator[str]:
    """Yield the host without a port and with each that may have been called."""
    user, at, host = parts.netloc.rpartition("@")
    bare = host.rpartition(":")[0] if _port(host) else host
    named = (
        _port(headers.get("host", "")),
        _port(headers.get("x-forwarded-host", "")),
        headers.get("x-forwarded-port"),
    )
    ports = (_port(host), _USUAL_PORT.get(scheme), *named, *_PORTS)
    configured = [str(port) for port in ports if port]
    endings = ["", *dict.fromkeys(f":{port}" for port in configured if port.isdecimal() and len(port) <= 5)]
    for name in dict.fromkeys((f"{user}{at}{bare}", f"{user}{at}{bare.lower()}", bare.lower())):
        yield from (f"{name}{ending}" for ending in endings)


def _port(authority: str) -> str:
    """Return the port of an authority, or ""."""
    port = authority.rpartition(":")[2]
    return port if ":" in authority and port.isdecimal() else ""
