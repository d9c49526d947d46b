"""Decompresses message bodies within a size limit, in the formats that kombu's producers write."""

import bz2
import lzma
import zlib
from collections.abc import Callable
from typing import Any

from workers.broker.bounded_json import LARGEST
from workers.broker.rejections import Malformed, Reason

#: kombu's name of a compression → a new decompressor
_FORMATS: dict[str, Callable[[], Any]] = {
    "application/x-gzip": zlib.decompressobj,  # kombu's name for zlib's format
    "application/x-bz2": bz2.BZ2Decompressor,
    "application/x-lzma": lzma.LZMADecompressor,
}


def unpacked(body: bytes, compression: object) -> bytes:
    """Return a body decompressed; Malformed when it is not in that format, or larger than the limit."""
    if not isinstance(compression, str) or compression not in _FORMATS:
        raise Malformed(Reason.COMPRESSION)
    try:
        found = _FORMATS[compression]().decompress(body, LARGEST + 1)
    except (ValueError, OSError, EOFError, zlib.error, lzma.LZMAError):
        raise Malformed(Reason.COMPRESSION) from None
    if len(found) > LARGEST:
        raise Malformed(Reason.TOO_LARGE)
    return bytes(found)
