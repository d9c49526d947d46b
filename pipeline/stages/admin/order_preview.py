"""Preview of an order's text before it is published: a template's text, and the merge fields of a text."""

from collections.abc import Mapping

from pipeline.errors import NotFound
from pipeline.rules.text import templates
from pipeline.runtime import Runtime
from pipeline.store import accounts


def template_text(rt: Runtime, account: str, word: str) -> str:
    """Return the text of an account's template (slug or id); NotFound: there is none with `${name}` fields."""
    with rt.read_only() as conn:
        owner = accounts.named(conn, account).id
        text = accounts.templates(conn, {(owner, word)}).get((owner, word))
    if text is None:
        raise NotFound(f"the account {account!r} has no template {word!r}: `postroad template list` shows them")
    return text.body


class Preview:
    """A text and its merge fields."""

    def __init__(self, text: str) -> None:
        """Compile the text."""
        self.text = text
        self._template = templates.compile(text)
        #: names of its merge fields, without duplicates
        self.names = self._template.names

    def spell(self, given: Mapping[str, str]) -> dict[str, str]:
        """Return the common merge fields, renamed to the spelling in the text: names are compared without case."""
        return templates.spell(self._template, given)
