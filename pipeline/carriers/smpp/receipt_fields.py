"""The text of a delivery receipt as its fields, in whatever coding it came and whatever data_coding says of it.

The specification's appendix B sketches it, and no two SMSCs write alike:

    id:IIII sub:001 dlvrd:001 submit date:YYMMDDhhmm done date:YYMMDDhhmm stat:DELIVRD err:000 text:…

Fields are taken in any order and case, each may be missing. What is in `text:` is the message's and is not kept.
"""

import re
from collections.abc import Iterator

from pipeline.carriers.smpp.codes import Tag
from pipeline.carriers.smpp.message_states import WORDS
from pipeline.carriers.smpp.pdu import MessagePdu
from pipeline.carriers.smpp.text_encoding import UDHI
from pipeline.rules.text import gsm7

#: octets that are looked at: no receipt has more but the message's text
LONGEST = 2048

_FIELD = re.compile(
    r"(?<![A-Za-z_])(id|msg[ _-]?id|message[ _-]?id|sub|dlvrd|submit[ _-]*date|done[ _-]*date"
    r"|stat|status|state|message[ _-]?state|err|error|err[ _-]?code|error[ _-]?code|text)[\"']?[ \t]*[:=]",
    re.IGNORECASE,
)
#: how nearly all of them look, read at one go
_USUAL = re.compile(
    r"id:([!-~]{1,255}) sub:([0-9]{1,9}) dlvrd:([0-9]{1,9}) submit date:([0-9]{1,20}) done date:([0-9]{1,20})"
    r" stat:([A-Z]{1,20}) err:([0-9A-Za-z]{1,20})(?: [Tt]ext:.*)?",
    re.DOTALL | re.ASCII,
)
_NAMES = ("id", "sub", "dlvrd", "submitdate", "donedate", "stat", "err")
#: the same with nothing between a value and the next field's name, which a state's letters cannot be told from
_GLUED = re.compile(
    r"id:([!-~]{1,64}?)sub:([0-9]{1,9})dlvrd:([0-9]{1,9})submit[ _-]?date:([0-9]{1,20})done[ _-]?date:([0-9]{1,20})"
    r"stat:([A-Z]{1,20}?)err:([0-9A-Fa-f]{1,10})(?:text:.*)?",
    re.DOTALL | re.ASCII | re.IGNORECASE,
)
#: one name for what is written in several ways
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
#: what may stand behind `text:` too, if it is of this form: the text itself might say anything
_LATE = {
    "stat": re.compile("|".join(sorted(WORDS))),
    "err": re.compile(r"[0-9A-Fa-f]{1,3}"),
    "donedate": re.compile(r"[0-9]{10,14}"),
}
#: what is kept of a value: no spaces, and no longer than any id
_VALUE = re.compile(r"[!-~]{1,255}")
#: a value ends with what parts fields
_TOKEN = re.compile(r"[^\s\0,;|&\"']*")
_DATE = re.compile(r"[0-9T:/. +-]*")
_SEPARATORS = re.compile(r"[ _-]")
_BLANK = " \t\r\n\0\"'"


def fields(message: MessagePdu) -> dict[str, str]:
    """Return a receipt's fields, in their order, by name in small letters without spaces; never the text.

    They are those of the first reading that has `id` and `stat`, the declared coding before the others.
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
        # what follows the value belongs to no field
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


# In which coding --------------------------------------------------------------------------------------------------


def _readings(message: MessagePdu) -> Iterator[str]:
    """Yield the text as each coding reads it, with what data_coding says first."""
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
    if 3 * octets.count(0) > len(octets):  # UCS-2 of either order, with a mark of it or not
        yield octets.replace(b"\0", b"").decode("latin-1")
    yield octets.decode("latin-1")
    fill = gsm7.fill_bits(header) if header else 0
    count = max((8 * len(octets) - fill) // 7, 0)
    yield gsm7.decode(gsm7.unpack(octets, count, fill)) if count else ""
