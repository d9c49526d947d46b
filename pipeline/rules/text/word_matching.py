"""Word normalisation for comparing keywords: capitals and digits, without accents, in one alphabet."""

import re
import unicodedata

#: Cyrillic and Greek capitals that look like Latin ones
_LOOK_ALIKES = str.maketrans("АВЕКМНОРСТУХІЅЈΑΒΕΖΗΙΚΜΝΟΡΤΥΧ", "ABEKMHOPCTYXISJABEZHIKMNOPTYX")
#: characters without meaning: Arabic's tatweel
_STROKES = {ord("\u0640"): None}
_ALNUM = re.compile(r"[^\W_]+")
_JOINTS = frozenset({"Mn", "Me", "Mc", "Cf"})


def spell(text: str) -> str:
    """Return a word in its comparison form: capitals and digits only, without accents."""
    return "".join(words(text))


def words(text: str) -> list[str]:
    """Return the words of a text in their comparison form; single letters in a row are one word: S T O P, s.t.o.p."""
    found: list[str] = []
    alone = False
    for word in _ALNUM.findall(_bare(text)):
        if len(word) == 1 and alone:
            found[-1] += word
        else:
            found.append(word)
        alone = len(word) == 1
    return [_in_one_alphabet(word) for word in found]


def _bare(text: str) -> str:
    """Return a text in capitals, without accents and invisible characters."""
    if text.isascii():
        return text.upper()
    # twice: the capital of a ligature, or of ß, is several letters
    bare = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).upper()).translate(_STROKES)
    return "".join(sign for sign in bare if unicodedata.category(sign) not in _JOINTS)


def _in_one_alphabet(word: str) -> str:
    """Return a word that mixes alphabets (a Latin S, and Cyrillic letters that look like TOP) in the Latin one.

    Likewise a word with Ѕ (U+0405), a letter of Macedonian alone.
    """
    if word.isascii() or not any("A" <= sign <= "Z" or sign == "\u0405" for sign in word):
        return word
    latin = word.translate(_LOOK_ALIKES)
    return latin if latin.isascii() else word
