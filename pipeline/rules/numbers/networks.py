"""Mobile networks of numbers by their prefix (MCC-MNC). Ported numbers are not known."""

from collections.abc import Mapping


class Numbering:
    """Networks (MCC-MNC) by number prefix."""

    def __init__(self, prefixes: Mapping[str, str]) -> None:
        """Index networks by prefixes without the plus."""
        #: the mapping as given
        self.prefixes = prefixes
        self._ends = sorted({len(prefix) + 1 for prefix in prefixes}, reverse=True)

    def network(self, phone: str) -> str:
        """Return the network of a number (E.164) by its longest known prefix, or "" where none matches."""
        prefixes = self.prefixes
        for end in self._ends:
            found = prefixes.get(phone[1:end])
            if found is not None and len(phone) >= end:
                return found
        return ""


#: no prefixes at all
UNKNOWN = Numbering({})
