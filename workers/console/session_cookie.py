"""The cookie that holds the token of a session."""

from starlette.requests import Request
from starlette.responses import Response

#: with TLS the prefix makes browsers refuse it from other hosts, other paths and plain HTTP (RFC 6265bis, 4.1.3.2)
_SECURE, _PLAIN = "__Host-postroad_session", "postroad_session"


def _name(request: Request) -> str:
    return _SECURE if request.url.scheme == "https" else _PLAIN


def token_of(request: Request) -> str:
    """Return the token that a request brings; "" where it has none."""
    return request.cookies.get(_name(request), "")


def set_token(request: Request, response: Response, token: str) -> None:
    """Have the browser keep a token until it is closed; the server ends sessions by itself."""
    is_secure = request.url.scheme == "https"
    response.set_cookie(_name(request), token, path="/", secure=is_secure, httponly=True, samesite="lax")


def delete_token(request: Request, response: Response) -> None:
    """Have the browser forget the token."""
    is_secure = request.url.scheme == "https"
    response.delete_cookie(_name(request), path="/", secure=is_secure, httponly=True, samesite="lax")
