"""GSM 7-bit default alphabet and extension table (3GPP TS 23.038, 6.2.1): encoding, decoding, counting, packing."""

import codecs
import re

#: escape to the extension table
ESCAPE = 0x1B

#: the default alphabet; a character's index is its septet, and the escape is at its own index
BASIC = (
    "@£$¥èéùìòÇ\nØø\rÅå"
    "Δ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ"
    " !\"#¤%&'()*+,-./"
    "0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNO"
    "PQRSTUVWXYZÄÖÑÜ§"
    "¿abcdefghijklmno"
    "pqrstuvwxyzäöñüà"
)

#: the extension table: septet after the escape → character
EXTENSION = {
    0x0A: "\f",
    0x14: "^",
    0x28: "{",
    0x29: "}",
    0x2F: "\\",
    0x3C: "[",
    0x3D: "~",
    0x3E: "]",
    0x40: "|",
    0x65: "€",
}

#: every character that GSM-7 can encode, in one septet or two
SPELLED = frozenset(BASIC) - {chr(ESCAPE)} | frozenset(EXTENSION.values())


def septets(body: str) -> int | None:
    """Count the septets of a body, extension characters as two; None: GSM-7 cannot encode it."""
    # fast path for nearly every body
    if body.isascii() and not body.encode().translate(None, _PLAIN):
        return len(body)
    page = _page(body)
    if page is None:
        return None
    return len(page) + len(page.translate(None, _SINGLE))


def foreign(body: str) -> str:
    """Return the characters that force UCS-2, each once, in order of appearance; empty: GSM-7 suffices."""
    return "".join(dict.fromkeys(char for char in body if char not in SPELLED))


def encode(body: str) -> bytes:
    """Return the body's septets, one a byte, extension characters as escape pairs; ValueError for other characters."""
    page = _page(body)
    if page is None:
        raise ValueError(f"not in the GSM-7 alphabet: {foreign(body)!a}")
    septets = page.translate(_TO_SEPTET)
    for code in set(page.translate(None, _SINGLE)):
        septets = septets.replace(bytes([code]), bytes([ESCAPE, code - 128]))
    return septets


def decode(septets: bytes) -> str:
    """Return the text of unpacked septets; ValueError where a byte is not a septet.

    Lenient as 23.038 asks of a receiver: an escape before a septet outside the extension table is ignored, and
    one before another escape or at the end is a space.
    """
    text: str = codecs.charmap_decode(septets, "strict", BASIC)[0]
    if chr(ESCAPE) not in text:
        return text
    return _PAIR.sub(lambda pair: _ESCAPED.get(pair[1], pair[1]), text)


def fill_bits(header: int) -> int:
    """Return the number of bits between a header of `header` octets (with its length octet) and the first septet."""
    return -8 * header % 7


def pack(septets: bytes, fill: int = 0) -> bytes:
    """Pack septets into octets, lowest bits first (23.038, 6.1.2.1), after `fill` zero bits; spare bits are zero."""
    bits = "".join([f"{septet:07b}" for septet in reversed(septets)]) or "0"
    return (int(bits, 2) << fill).to_bytes((fill + 7 * len(septets) + 7) // 8, "little")


def unpack(octets: bytes, count: int, fill: int = 0) -> bytes:
    """Return `count` septets that were packed after `fill` bits. The count tells a last `@` from spare bits."""
    if fill + 7 * count > 8 * len(octets):
        raise ValueError(f"{len(octets)} octets do not hold {count} septets after {fill} bits")
    bits = int.from_bytes(octets, "little") >> fill
    return bytes([bits >> 7 * place & 0x7F for place in range(count)])


# A code page of our own, one byte a character, because Python's charmap codec is ten times faster than a dict: basic
# characters at their septet, extension characters at theirs plus 0x80. The codec needs NUL at 0, so `@` takes the
# escape's code.

_AT = ESCAPE
_NO_CHARACTER = "\ufffe"
_PAGE = "\0" + BASIC[1:ESCAPE] + "@" + BASIC[ESCAPE + 1 :]
_PAGE += "".join(EXTENSION.get(code, _NO_CHARACTER) for code in range(128))
_MAP = codecs.charmap_build(_PAGE)
#: bytes of the code page that are one septet
_SINGLE = bytes(range(1, 128))
_TO_SEPTET = bytes(0 if code == _AT else code for code in range(256))
#: ASCII characters that cost one septet
_PLAIN = bytes(ord(char) for char in BASIC if char.isascii() and ord(char) != ESCAPE)

_PAIR = re.compile("\x1b(.?)", re.DOTALL)
_ESCAPED = {BASIC[code]: char for code, char in EXTENSION.items()} | {"\x1b": " ", "": " "}


def _page(body: str) -> bytes | None:
    page: bytes = codecs.charmap_encode(body, "ignore", _MAP)[0]
    return None if len(page) < len(body) or 0 in page else page
