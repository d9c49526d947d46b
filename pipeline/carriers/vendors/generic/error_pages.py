"""Recognises errors in responses of status 200: HTML pages, and errors in text or JSON."""

import re
from collections.abc import Mapping

from pipeline.carriers.vendors import posted_receipts

#: an HTML page, with or without a declaration or comment before it
_PAGE = re.compile(
    r"\s*(?:<\?[^>]*>\s*|<!--.*?-->\s*)*"
    r"<(?:!doctype|html|head|body|h[1-6]|center|title|meta|script|style|link|p|div|span|br|b|pre|table|font|hr|a|img)\b",
    re.IGNORECASE | re.DOTALL,
)
#: how error texts begin
_ERROR_TEXT = re.compile(
    r"(?:<\?[^>]*>\s*)?<?[\[\"'(*# ]*(?:-\d|err(?:or)?s?(?![a-z])|fail|fatal|invalid|unauthori[sz]ed|forbidden|denied"
    r"|reject|exception|warning|nok\b|ko\b|not |no such|access denied|authenti|bad |missing|unknown|insufficient"
    r"|internal server|service unavailable|service temporarily|temporarily|too many|blocked|expired|undefined|null$"
    r"|false$|timeout|timed out)",
    re.IGNORECASE,
)
#: JSON members that report an error (lower-case letters and digits only), and their values for none
_ERRORS = frozenset({"error", "errors", "errorcode", "errormessage", "errormsg", "errno", "err", "errcode", "fault"})
_NO_ERROR = re.compile(
    r"(?:|0+|false|null|no|n|none|no[ _-]?errors?\b.*|ok\b.*|success\w*\b.*|done|accepted|submitted|queued|sent"
    r"|(?:message|sms)\b.*\b(?:accepted|submitted|queued|sent)\b.*)",
    re.IGNORECASE | re.DOTALL,
)
#: JSON members that report success, and their values for failure
_SUCCESSES = frozenset({"success", "successful", "succeeded", "ok", "issuccess", "accepted"})
_NO_SUCCESS = frozenset({"false", "0", "no", "n"})
_STATES = frozenset({"status", "result", "state", "outcome", "type", "response", "responsestatus", "statustext"})
_FAILED = re.compile(
    r"(?:err|fail|nok$|ko$|invalid|reject|denied|unauthori|forbidden|exception|false$|unsuccess)", re.IGNORECASE
)
#: JSON members that repeat an HTTP status, and those that say so
_STATUSES = frozenset({"status", "code", "statuscode", "httpstatus", "httpcode", "httpstatuscode", "responsecode"})
_HTTP_ERROR = re.compile(r"[45][0-9]{2}")
_NO_NAME = re.compile(r"[^a-z0-9]")
#: how deep an error is searched for
_DEEP = 3


def is_page(text: str) -> bool:
    """Tell whether a text is an HTML page, as a proxy or a server under maintenance returns."""
    return bool(_PAGE.match(text))


def is_error_in(text: str) -> bool:
    """Tell whether a text that is not JSON begins as an error message."""
    return bool(_ERROR_TEXT.match(text))


def is_error_by(value: object, depth: int = 0) -> bool:
    """Tell whether parsed JSON is empty, or reports an error."""
    if isinstance(value, list):
        return any(is_error_by(each, depth + 1) for each in value[:1]) if value else not depth
    if not isinstance(value, Mapping):
        return not depth and bool(_ERROR_TEXT.match(posted_receipts.spelt(value) or "null"))
    if not value:
        return not depth
    return depth < _DEEP and any(_is_error(str(name), member, depth) for name, member in value.items())


def _is_error(name: str, value: object, depth: int) -> bool:
    """Tell whether one member of a JSON object reports an error."""
    name, spelt = _NO_NAME.sub("", name.lower()), posted_receipts.spelt(value)
    if name in _ERRORS:
        return _names_one(value)
    if spelt is None:
        return is_error_by(value, depth + 1)
    if name in _SUCCESSES:
        return spelt.strip().lower() in _NO_SUCCESS
    if name in _STATUSES and _HTTP_ERROR.fullmatch(spelt):
        return True
    return name in _STATES and bool(_FAILED.match(spelt.strip()))


def _names_one(value: object) -> bool:
    """Tell whether the value of an error member is an error."""
    if isinstance(value, Mapping):
        return any(map(_names_one, value.values()))
    if isinstance(value, list):
        return bool(value)
    spelt = posted_receipts.spelt(value)
    return spelt is not None and not _NO_ERROR.fullmatch(spelt.strip())
