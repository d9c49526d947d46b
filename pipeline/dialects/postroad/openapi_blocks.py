"""Building blocks of the OpenAPI document of Postroad's own API: operations, parameters, error responses."""

from collections.abc import Iterable
from typing import Any

from pipeline.dialects.postroad import requests
from pipeline.dialects.postroad.errors import MEDIA

Json = dict[str, Any]

#: statuses that any operation may return
_ALWAYS = (400, 401, 403, 413, 414, 415, 429, 431, 500, 503)

_WHY = {
    400: "Invalid request; `errors` has every fault and its field.",
    401: "The API key is missing, malformed, revoked or expired.",
    402: "Quota and wallet do not cover the cost; nothing was sent.",
    403: "The key's scopes, its test mode or its networks do not allow this, or the account may not send.",
    404: "Not found.",
    409: "Conflict: the state of the resource does not allow this.",
    413: "The request body is too large.",
    414: "The URL is too long.",
    415: "The body is not JSON, or it is compressed.",
    422: "No recipient can be sent the message, or the idempotency key was used with another request.",
    429: "Rate limit exceeded. Retry after the seconds in `Retry-After`.",
    431: "The headers are too large.",
    500: "Internal error.",
    503: "Temporarily unavailable. Retry after the seconds in `Retry-After`.",
}

_ID: Json = {"name": "id", "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
IDEMPOTENCY: Json = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "A request with the same key within a week gets the response of the first, and nothing is sent "
    "again; with other content it is refused (422).",
    "schema": {"type": "string", "minLength": 1, "maxLength": requests.MOST_KEY},
}


def parameter(name: str, schema: Json, description: str = "") -> Json:
    """Return a parameter of the query string."""
    found: Json = {"name": name, "in": "query", "schema": schema}
    return found | {"description": description} if description else found


def paging(when: str) -> Iterable[Json]:
    """Yield the parameters of a list that is paged, and limited by time."""
    yield parameter("limit", {"type": "integer", "minimum": 1, "maximum": requests.MOST, "default": requests.PAGE})
    yield parameter("cursor", {"type": "string"}, "The `next_cursor` of the page before.")
    yield parameter("since", {"type": "string", "format": "date-time"}, f"Only those {when} at this time or later.")
    yield parameter("until", {"type": "string", "format": "date-time"}, f"Only those {when} before this time.")


def of(**operations: Json) -> Json:
    """Return the operations of a path with an id, by their methods."""
    return {"parameters": [_ID]} | operations


def operation(
    name: str,
    summary: str,
    status: int,
    answer: str | None,
    *,
    scope: str,
    asks: str | None = None,
    more: Iterable[int] = (),
) -> Json:
    """Return an operation with all its responses: `answer` with `status`, and problem details."""
    found: Json = {"operationId": name, "summary": summary, "description": f"Scope: `{scope}`."}
    if asks:
        found["requestBody"] = {"required": True, "content": content(asks)}
    well: Json = {"description": "Success."} | ({"content": content(answer)} if answer else {})
    refused = sorted({*_ALWAYS, *more})
    return found | {"responses": {str(status): well, **{str(each): _refused(each) for each in refused}}}


def _refused(status: int) -> Json:
    found: Json = {"description": _WHY[status], "content": {MEDIA: {"schema": ref("schemas/Problem")}}}
    return found | ({"headers": {"Retry-After": ref("headers/RetryAfter")}} if status in (429, 503) else {})


def content(name: str) -> Json:
    """Return a JSON body of this schema."""
    return {"application/json": {"schema": ref(f"schemas/{name}")}}


def ref(name: str) -> Json:
    """Return a reference to a component."""
    return {"$ref": f"#/components/{name}"}
