"""Decodes inbound texts from their octets: by the stated coding, or by another in which they are a STOP.

One octet states a message's coding, and gateways get it wrong. Where a text is no keyword as stated, and a STOP in
another coding that is often confused with it, it is that STOP.
"""

import re
from collections.abc import Iterator

from pipeline.rules.consent.stop_keyword_detection import Vocabulary
from pipeline.rules.text import gsm7
from schema.vocabulary import InboundAction

#: codings besides Python's codecs: GSM-7, a septet an octet; UCS-2, or UTF-16 where there are surrogate pairs
GSM7, UCS2 = "gsm7", "utf-16-be"
#: octets stated to be binary
OCTETS = "latin-1"
#: octets up to which a text is checked for a STOP in other codings
_MOST = 2 * 160
_REPLACEMENT = "\ufffd"
_NO_SEPTET = re.compile(rb"[\x80-\xff]")
_PRINTABLE = re.compile(rb"[\t\n\r -~]+")
_LETTERS = re.compile(rb"[\t\n\r -~\xa0-\xff]+")
#: no other coding is tried for these: packed septets look different, but for a few of two octets
_WORDS = re.compile(rb"[A-Za-z0-9 ]+")
_BUILT_IN = Vocabulary([])


def decode(octets: bytes, coding: str) -> str:
    """Return the text of octets; U+FFFD replaces what cannot be decoded, and NUL, which PostgreSQL cannot store."""
    text = as_coded(octets, coding)
    if len(octets) <= _MOST and _BUILT_IN.read(text).action is InboundAction.KEEP:
        text = next((other for other in _otherwise(octets, coding) if _is_stop(other)), text)
    return text.replace("\0", _REPLACEMENT)


def as_coded(octets: bytes, coding: str) -> str:
    """Return the text of octets in their stated coding, whatever it may be in another."""
    if coding == GSM7:
        return _interleaved(octets) or _septets(octets)
    if coding == UCS2 and octets.startswith(b"\xff\xfe"):
        return octets.decode("utf-16", "replace")
    if coding == UCS2 and octets.endswith(b"\0") and (swapped := _interleaved(b"\0" + octets[:-1])):
        return swapped
    return octets.decode(coding, "replace").removeprefix("\ufeff")


def _is_stop(text: str) -> bool:
    return _BUILT_IN.read(text).action is InboundAction.STOP


def _otherwise(octets: bytes, coding: str) -> Iterator[str]:
    """Yield the text of the octets in other codings, where they can be decoded."""
    if coding == UCS2:
        if _PRINTABLE.fullmatch(octets):
            yield octets.decode("ascii")
        yield octets.decode("utf-16-le", "replace")
    else:
        if interleaved := _interleaved(octets):
            yield interleaved
        if not _WORDS.fullmatch(octets):  # packed septets whose coding is not stated
            yield gsm7.decode(gsm7.unpack(octets, 8 * len(octets) // 7, 0))
    yield octets.decode("utf-8", "replace")
    if coding != UCS2 and len(octets) % 2 == 0:
        yield octets.decode(UCS2, "replace")


def _interleaved(octets: bytes) -> str:
    """Return the text of UCS-2 whose characters are all ASCII, "" otherwise."""
    if len(octets) < 4 or len(octets) % 2 or any(octets[::2]) or not _PRINTABLE.fullmatch(octets[1::2]):
        return ""
    return octets[1::2].decode("ascii")


def _septets(octets: bytes) -> str:
    """Return the text of septets; octets above 127 mean that it is another coding: UTF-8, else Latin-1."""
    if octets.isascii():
        return gsm7.decode(octets)
    try:
        return octets.decode("utf-8")
    except UnicodeDecodeError:
        if _LETTERS.fullmatch(octets):
            return octets.decode("latin-1")
    return _REPLACEMENT.join(gsm7.decode(piece) for piece in _NO_SEPTET.split(octets))
