"""GSM-7 respelling: typographic characters replaced by ones of GSM-7 that read the same."""

import unicodedata
from collections.abc import Mapping

from pipeline.rules.text import gsm7

_LIKE = {
    "'": "‘’‚‛′´`ʼ",
    '"': "“”„‟″«»",
    "-": "‐‑‒–—―−",
    "...": "…",
    " ": "\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000\t",
    "": "\u00ad\u200b\u2060\ufeff",
    "*": "•",
    "\n": "\u2028\u2029",
}


def _wide() -> dict[int, str]:
    """Return the full-width forms of GSM-7's characters: `１` and `Ａ`."""
    forms = {code: unicodedata.normalize("NFKC", chr(code)) for code in range(0xFF01, 0xFF5F)}
    return {code: plain for code, plain in forms.items() if plain in gsm7.SPELLED}


_SPELLINGS: Mapping[int, str] = {ord(char): plain for plain, chars in _LIKE.items() for char in chars} | _wide()


def respell(text: str) -> str:
    """Return a text with the characters replaced that GSM-7 has a like of; others stay as they are.

    Letters keep their accents: `é` is in GSM-7, and leaving the accent of an `ê` out would change the word.
    """
    return text.translate(_SPELLINGS)
