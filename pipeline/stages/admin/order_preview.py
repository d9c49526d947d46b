"""Preview of an order: validate its text and recipients before it is published, by the rules that `admit` applies."""

from collections.abc import Mapping

from pipeline.errors import NotFound
from pipeline.rules.numbers import phones
from pipeline.rules.text import templates
from pipeline.runtime import Runtime
from pipeline.store import accounts

#: maximum length of a rendered body, in characters
_MAX_BODY = 1600


def template_text(rt: Runtime, account: str, word: str) -> str:
    """Return the text of an account's template (slug or id); NotFound: there is none with `${name}` fields."""
    with rt.read_only() as conn:
        owner = accounts.named(conn, account).id
        text = accounts.templates(conn, {(owner, word)}).get((owner, word))
    if text is None:
        raise NotFound(f"the account {account!r} has no template {word!r}: `postroad template list` shows them")
    return text


class Preview:
    """A text whose recipients are validated without the database."""

    def __init__(self, text: str, country: str | None = None, *, strict_numbers: bool = False) -> None:
        """Compile the text; `country` (ISO 3166) is where numbers without a plus are dialled."""
        self.text = text
        self._template = templates.compile(text)
        self._country = country
        self._strict = strict_numbers
        #: names of its merge fields, without duplicates
        self.names = self._template.names

    def spell(self, given: Mapping[str, str]) -> dict[str, str]:
        """Return the common merge fields, renamed to the spelling in the text: names are compared without case."""
        return templates.spell(self._template, given)

    def fault(self, number: str, country: str | None, fields: Mapping[str, str]) -> str | None:
        """Return why a recipient with these fields will be refused, as far as is known here; it quotes no values."""
        [phone] = phones.normalise([number], country or self._country)
        if phone is None:
            return phones.phone_fault(number, country or self._country)
        if self._strict and not phone.known:
            return "not a phone number: no range that is known has it"
        if country and country not in phones.sharing(phone.e164):
            return f"the number is not one of {country}"
        [body] = templates.render_all(self._template, {}, [fields], _MAX_BODY)
        if isinstance(body, str) and len(body) > _MAX_BODY:
            return f"the text is longer than {_MAX_BODY} characters"
        if isinstance(body, str) and self.text and not body.strip():
            return "the text is empty once its merge fields are filled"
        return None
