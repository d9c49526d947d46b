"""Respell: replace typographic characters of a campaign by ones of GSM-7 that read the same, on request."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from pipeline.rules.text.respelling import respell
from schema.campaign import CampaignDefinition, GivenRow

#: lines that are named, and the most characters of a text or field
_NAMED, _LONGEST = 5, 1600


def respell_definition(definition: CampaignDefinition, text: str) -> CampaignDefinition:
    """Return a definition with its text and its fields for all recipients respelled; `text`: its own or its template's.

    A template's text that changes so becomes the campaign's own.
    """
    body = _spelt(text)
    content = {} if body == text else {"body": body, "template": None}
    merge = {name: _spelt(value) for name, value in definition.merge.items()}
    return definition.model_copy(update={**content, "merge": merge})


@dataclass(slots=True)
class RespelledRows:
    """Rows whose merge fields are respelled as they are read, and how many changed."""

    rows: Iterable[GivenRow]
    changed: int = 0
    #: lines of the first ones
    lines: list[int] = field(default_factory=list)

    def __iter__(self) -> Iterator[GivenRow]:
        """Yield the rows, in order."""
        for row in self.rows:
            found = _respelled(row)
            if found is not row:
                self.changed += 1
                if len(self.lines) < _NAMED:
                    self.lines.append(row.line)
            yield found


def _respelled(row: GivenRow) -> GivenRow:
    """Return a row with respelled merge fields; the same row if nothing in it changes, or it is not valid."""
    if not isinstance(row.recipient, dict) or not isinstance(merge := row.recipient.get("merge"), dict):
        return row
    spelt = {name: _spelt(value) if isinstance(value, str) else value for name, value in merge.items()}
    return row if spelt == merge else replace(row, recipient={**row.recipient, "merge": spelt})


def _spelt(text: str) -> str:
    """Return a text respelled, or as it is where nothing would be left of it, or too much: `…` becomes three dots."""
    found = respell(text)
    return found if found.strip() and len(found) <= _LONGEST else text
