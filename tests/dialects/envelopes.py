"""The error responses of each dialect, checked exactly: all fields, and no others."""

import re
from collections.abc import Callable
from typing import Any

from tests.dialects.vendors import Vendor

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_URN = re.compile(rf"urn:uuid:{_UUID.pattern}")
_STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")


#: the media type of error responses
MEDIA = dict.fromkeys(Vendor, "application/json") | {Vendor.POSTROAD: "application/problem+json"}


def is_refusal(dialect: Vendor, path: str, status: int, content: Any) -> bool:
    """Return whether a response below the dialect's prefix is an error in the vendor's format."""
    return 400 <= status < 600 and isinstance(content, dict) and _ENVELOPES[dialect](path, status, content)


def _solaris(path: str, status: int, content: dict[str, Any]) -> bool:
    if path.partition("?")[0].rstrip("/") == "/oauth2/token":
        return _has(content, error=str, error_description=str)
    return _has(content, errors=list) and all(
        _has(each, id=str, status=int, code=str, title=str, detail=str, source=dict)
        and _has(each["source"], field=str, message=str)
        and _UUID.fullmatch(each["id"])
        and content["errors"][0]["status"] == status
        for each in content["errors"]
    )


def _robase(_path: str, _status: int, content: dict[str, Any]) -> bool:
    error = content.get("error")
    return _has(content, error=dict) and (
        _has(error, type=str, message=str) or _has(error, type=str, message=str, field=str)
    )


def _telesign(_path: str, _status: int, content: dict[str, Any]) -> bool:
    notification = {name: value for name, value in content.items() if name != "signature_string"}
    return (
        list(notification) == ["reference_id", "sub_resource", "errors", "status"]
        and isinstance(content.get("signature_string", ""), str)
        and notification["errors"] != []
        and all(_has(each, code=int, description=str) and each["code"] < 0 for each in notification["errors"])
        and _has(notification["status"], updated_on=str, code=int, description=str)
        and _STAMP.fullmatch(notification["status"]["updated_on"]) is not None
    )


def _webex(path: str, status: int, content: dict[str, Any]) -> bool:
    if status == 400 and re.match("/v1/sms(/test)?/?($|[?])", path):
        return _has(content, errors=list) and all(
            _has(each, field=str, message=str, code=int) and each["code"] == 10006 for each in content["errors"]
        )
    return (
        _has(content, trace_id=str, errors=list)
        and re.fullmatch("[0-9a-f]{16}", content["trace_id"]) is not None
        and all(_has(each, message=str) or _has(each, message=str, field=str) for each in content["errors"])
    )


def _postroad(path: str, status: int, content: dict[str, Any]) -> bool:
    faults = content.get("errors")
    return (
        list(content) == ["type", "title", "status", "detail", "instance", "code", "errors"]
        and content["status"] == status
        and content["type"] == f"urn:postroad:problem:{content['code']}"
        and _URN.fullmatch(content["instance"]) is not None
        and isinstance(content["title"], str)
        and isinstance(content["detail"], str)
        and isinstance(faults, list)
        and 1 <= len(faults) <= 100
        and all(list(each) == ["code", "detail", "field"] and each["detail"] for each in faults)
        and (faults[0]["code"], faults[0]["detail"]) == (content["code"], content["detail"])
    )


_ENVELOPES: dict[Vendor, Callable[[str, int, dict[str, Any]], Any]] = {
    Vendor.SOLARIS: _solaris,
    Vendor.ROBASE: _robase,
    Vendor.TELESIGN: _telesign,
    Vendor.WEBEX: _webex,
    Vendor.POSTROAD: _postroad,
}


def _has(thing: Any, **fields: type) -> bool:
    """Return whether an object has exactly these fields, in this order and of these types."""
    return (
        isinstance(thing, dict)
        and list(thing) == list(fields)
        and all(type(thing[name]) is kind for name, kind in fields.items())
        and thing.get("errors") != []
    )
