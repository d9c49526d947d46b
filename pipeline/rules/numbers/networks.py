"""Whose network a number belongs to, by its leading digits. A number that was taken along to another is not known."""

from collections.abc import Mapping


class Numbering:
    """Networks (MCC-MNC) by leading digits."""

    def __init__(self, prefixes: Mapping[str, str]) -> None:
        """Take leading digits, without the plus, and whose they are."""
        #: as they were given
        self.prefixes = prefixes
        self._ends = sorted({len(prefix) + 1 for prefix in prefixes}, reverse=True)

    def network(self, phone: str) -> str:
        """Return the network of a number (E.164) by the longest digits that fit, or "" where nobody's do."""
        prefixes = self.prefixes
        for end in self._ends:
            found = prefixes.get(phone[1:end])
            if found is not None and len(phone) >= end:
                return found
        return ""


#: no network is known
UNKNOWN = Numbering({})
