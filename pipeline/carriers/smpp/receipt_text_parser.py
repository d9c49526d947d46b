"""Parses the text of a delivery receipt (SMPP 3.4, appendix B) into fields, in any coding, whatever data_coding is.

The appendix only gives an example, and SMSCs differ:

    id:IIII sub:001 dlvrd:001 submit date:YYMMDDhhmm done date:YYMMDDhhmm stat:DELIVRD err:000 text:…

Fields are accepted in any order and case, and each may be missing. The content of `text:` is discarded.
"""

import re
from collections.abc import Iterator

from pipeline.carriers.smpp.codes import Tag
from pipeline.carriers.smpp.message_states import WORDS
from pipeline.carriers.smpp.pdu import MessagePdu
from pipeline.carriers.smpp.text_encoding import UDHI
from pipeline.rules.text import gsm7

#: octets examined: only the message's text can make a receipt longer
LONGEST = 2048

_FIELD = re.compile(
    r"(?<![A-Za-z_])(id|msg[ _-]?id|message[ _-]?id|sub|dlvrd|submit[ _-]*date|done[ _-]*date"
    r"|stat|status|state|message[ _-]?state|err|error|err[ _-]?code|error[ _-]?code|text)[\"']?[ \t]*[:=]",
    re.IGNORECASE,
)
#: fast path: the usual format
_USUAL = re.compile(
    r"id:([!-~]{1,255}) sub:([0-9]{1,9}) dlvrd:([0-9]{1,9}) submit date:([0-9]{1,20}) done date:([0-9]{1,20})"
    r" stat:([A-Z]{1,20}) err:([0-9A-Za-z]{1,20})(?: [Tt]ext:.*)?",
    re.DOTALL | re.ASCII,
)
_NAMES = ("id", "sub", "dlvrd", "submitdate", "donedate", "stat", "err")
#: the same without separators between a value and the next field's name
_GLUED = re.compile(
    r"id:([!-~]{1,64}?)sub:([0-9]{1,9})dlvrd:([0-9]{1,9})submit[ _-]?date:([0-9]{1,20})done[ _-]?date:([0-9]{1,20})"
    r"stat:([A-Z]{1,20}?)err:([0-9A-Fa-f]{1,10})(?:text:.*)?",
    re.DOTALL | re.ASCII | re.IGNORECASE,
)
#: canonical name of fields that are spelled in several ways
_SPELT = {
    "messageid": "id",
    "msgid": "id",
    "status": "stat",
    "state": "stat",
    "messagestate": "stat",
    "error": "err",
    "errcode": "err",
    "errorcode": "err",
}
#: fields accepted after `text:` too, if they have this form: the text itself may contain anything
_LATE = {
    "stat": re.compile("|".join(sorted(WORDS))),
    "err": re.compile(r"[0-9A-Fa-f]{1,3}"),
    "donedate": re.compile(r"[0-9]{10,14}"),
}
#: what is kept of a value: no spaces, and no longer than any id
_VALUE = re.compile(r"[!-~]{1,255}")
#: a value ends at a separator
_TOKEN = re.compile(r"[^\s\0,;|&\"']*")
_DATE = re.compile(r"[0-9T:/. +-]*")
_SEPARATORS = re.compile(r"[ _-]")
_BLANK = " \t\r\n\0\"'"


def fields(message: MessagePdu) -> dict[str, str]:
    """Return a receipt's fields, in their order, by lower-case name without spaces; never the text.

    They are those of the first decoding that has `id` and `stat`, the stated coding before the others.
    """
    if message.data_coding != 8 and (usual := _USUAL.fullmatch(message.text.decode("latin-1"))):
        return dict(zip(_NAMES, usual.groups(), strict=True))
    best: dict[str, str] = {}
    for text in _readings(message):
        found = read(text)
        if "id" in found and "stat" in found:
            return found
        if _weight(found) > _weight(best):
            best = found
    return best


def read(text: str) -> dict[str, str]:
    """Return the fields in a text."""
    if glued := _GLUED.fullmatch(text.strip(_BLANK)):
        return dict(zip(_NAMES, glued.groups(), strict=True))
    marks = list(_FIELD.finditer(text))
    ends = [*[mark.start() for mark in marks], len(text)][1:]
    found: dict[str, str] = {}
    is_text = False
    for mark, end in zip(marks, ends, strict=True):
        name = _SEPARATORS.sub("", mark[1].lower())
        name = _SPELT.get(name, name)
        value = text[mark.end() : end].strip(_BLANK)
        if is_text and not (name in _LATE and _LATE[name].fullmatch(value)):
            continue
        if name == "text":
            is_text = True
            continue
        # what follows the value is in no field
        value = _date(value) if "date" in name else _token(value)
        if _VALUE.fullmatch(value):
            found.setdefault(name, value)
    return found


def _weight(found: dict[str, str]) -> tuple[bool, bool, int]:
    return "id" in found, "stat" in found, len(found)


def _token(value: str) -> str:
    token = _TOKEN.match(value)
    return token[0].rstrip("/") if token else ""


def _date(value: str) -> str:
    date = _DATE.match(value)
    return date[0].strip().replace(" ", "T") if date else ""


# Candidate codings ------------------------------------------------------------------------------------------------


def _readings(message: MessagePdu) -> Iterator[str]:
    """Yield the text in each coding, the stated data_coding first."""
    pieces = [message.text[:LONGEST]]
    payload = message.tlvs.get(Tag.MESSAGE_PAYLOAD, b"")
    if payload and payload != message.text:
        pieces.append(payload[:LONGEST])
    for piece in pieces:
        header = 1 + piece[0] if message.esm_class & UDHI and piece else 0
        if 0 < header <= len(piece):
            yield from _codings(piece[header:], message.data_coding, header)
        yield from _codings(piece, message.data_coding)


def _codings(octets: bytes, data_coding: int, header: int = 0) -> Iterator[str]:
    if data_coding == 8:
        little = octets.startswith(b"\xff\xfe")
        yield octets.decode("utf-16-le" if little else "utf-16-be", "replace")
    if 3 * octets.count(0) > len(octets):  # UCS-2 of either byte order, with or without a byte order mark
        yield octets.replace(b"\0", b"").decode("latin-1")
    yield octets.decode("latin-1")
    fill = gsm7.fill_bits(header) if header else 0
    count = max((8 * len(octets) - fill) // 7, 0)
    yield gsm7.decode(gsm7.unpack(octets, count, fill)) if count else ""
