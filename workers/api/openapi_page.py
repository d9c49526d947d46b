"""Serves each API's OpenAPI document and an HTML page that shows it, both without authentication.

The page is one file and requests nothing but the document: no other host, no script but its own.
"""

import re
from base64 import b64encode
from collections.abc import Callable
from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import Any

from pipeline.dialects.contract import ApiOperation, RequestContext, reply
from schema.api import ApiResponse

DOCUMENT, PAGE = "/openapi.json", "/docs"

#: inline script and style of the page: allowed by their hashes, so that nothing else can run or be loaded
_INLINE = re.compile(r"<(script|style)>(.*?)</\1>", re.DOTALL)


def operations(document: Callable[[], dict[str, Any]]) -> tuple[ApiOperation, ...]:
    """Return the operations `GET /openapi.json` and `GET /docs`, which require no key."""

    @cache
    def written(mount: str) -> ApiResponse:
        # only the gateway knows where the API is mounted: under a prefix, or at the root of a host
        return reply(200, document() | {"servers": [{"url": mount or "/"}]}, _FRESH)

    async def show_document(context: RequestContext) -> ApiResponse:
        return written(context.call.mount)

    return (
        ApiOperation("GET", DOCUMENT, "openapi", show_document, requires_key=False),
        ApiOperation("GET", PAGE, "docs", _show_page, requires_key=False),
    )


async def _show_page(_context: RequestContext) -> ApiResponse:
    return _page()


@cache
def _page() -> ApiResponse:
    text = files("workers.api").joinpath("docs.html").read_text("utf-8")
    return ApiResponse(
        200, text.encode(), {"Content-Type": "text/html; charset=utf-8", **_GUARD, **_policy(text), **_FRESH}
    )


def _policy(text: str) -> dict[str, str]:
    """Return the Content-Security-Policy header: the page's own script and style, requests to its own host only."""
    hashes = {kind: b64encode(sha256(inner.encode()).digest()).decode() for kind, inner in _INLINE.findall(text)}
    allowed = "; ".join(f"{kind}-src 'sha256-{word}'" for kind, word in hashes.items())
    rest = "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    return {"Content-Security-Policy": f"default-src 'none'; {allowed}; {rest}"}


#: it may change with a release, so caches revalidate it
_FRESH = {"Cache-Control": "no-cache"}
_GUARD = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}
