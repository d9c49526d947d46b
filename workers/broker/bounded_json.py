"""Parses JSON within limits of size and depth."""

import json
from typing import Any

from workers.broker.rejections import Malformed, Reason

#: largest message in bytes, decompressed
LARGEST = 32 * 1024 * 1024
#: deepest nesting of lists and objects: an order has five; the pickle that goes to a pool child allows a few hundred
DEEPEST = 32


def parse(raw: bytes, too_large: Reason = Reason.TOO_LARGE) -> Any:
    """Return the value of a JSON text in UTF-8; Malformed when it is invalid, too large or nested too deep."""
    if len(raw) > LARGEST:
        raise Malformed(too_large)
    try:
        value = json.loads(raw.decode())
    except RecursionError:
        raise Malformed(Reason.TOO_DEEP) from None
    except ValueError:
        raise Malformed(Reason.NOT_JSON) from None
    # with so few brackets it cannot nest deeper: most messages need no walk
    if raw.count(b"[") + raw.count(b"{") > DEEPEST:
        _require_shallow(value)
    return value


def _require_shallow(value: Any) -> None:
    level = [value]
    for _ in range(DEEPEST):
        level = [
            inner
            for each in level
            for inner in (each.values() if isinstance(each, dict) else each)
            if isinstance(inner, dict | list)
        ]
        if not level:
            return
    raise Malformed(Reason.TOO_DEEP)
