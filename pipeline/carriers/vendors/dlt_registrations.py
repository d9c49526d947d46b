"""DLT registrations (India): the entity and template ids sent with a message, by its sender and text.

Setting of the vendors that support them:

    "dlt": {"ACME": {"entity_id": "1101…", "content_id": "1107…",
                     "templates": [{"pattern": "^Your code is", "content_id": "1108…"}]},
            "*": {…}}

By sender; `*` is any other. The first of `templates` whose pattern matches in the text supplies its content id, else
`content_id` applies; a message without either is not sent by this carrier, as operators would drop it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from pipeline.carriers.setting_reader import SettingReader
from schema.carriage import Parcel

_COUNTRY, _PREFIX = "IN", "+91"
_ANY = "*"
_ID = re.compile(r"[0-9]{10,25}")


class NoDltId(Exception):
    """The message goes to India, and its sender or text is not registered."""


@dataclass(frozen=True, slots=True)
class DltIds:
    """The ids sent with a message."""

    entity: str
    content: str


@dataclass(frozen=True, slots=True)
class _Sender:
    entity: str
    content: str
    templates: tuple[tuple[re.Pattern[str], str], ...]


@dataclass(frozen=True, slots=True)
class Registrations:
    """The registrations of one carrier's senders."""

    by_sender: Mapping[str, _Sender] = field(default_factory=dict)

    @classmethod
    def read(cls, options: SettingReader) -> "Registrations":
        """Read the setting `dlt`; ConfigurationError names the invalid part."""
        return cls({sender: _sender(options, sender, given) for sender, given in options.mapping("dlt").items()})

    def of(self, parcel: Parcel) -> DltIds | None:
        """Return the ids for a message; None: it does not go to India, or the carrier has no registrations.

        NoDltId: it has some, but none for this sender and text.
        """
        if not self.by_sender or not (parcel.country == _COUNTRY or parcel.to.startswith(_PREFIX)):
            return None
        found = self.by_sender.get(parcel.sender) or self.by_sender.get(_ANY)
        if found is None:
            raise NoDltId
        content = next((id_ for pattern, id_ in found.templates if pattern.search(parcel.body)), found.content)
        if not content:
            raise NoDltId
        return DltIds(found.entity, content)


#: no registrations
NOTHING = Registrations()


def _sender(options: SettingReader, name: str, given: object) -> _Sender:
    key = f"dlt.{name}"
    inner = SettingReader(options.carrier, given if isinstance(given, Mapping) else {})
    entity, content = inner.text("entity_id", ""), inner.text("content_id", "")
    listed = inner.take("templates") or []
    if not isinstance(listed, list) or not all(isinstance(each, Mapping) for each in listed):
        raise options.unfit(f"{key}.templates", "must be a list of objects")
    templates = tuple(_template(options, f"{key}.templates.{place}", each) for place, each in enumerate(listed))
    inner.finish()
    for part, value in (("entity_id", entity), ("content_id", content or (entity if templates else ""))):
        if not _ID.fullmatch(value):
            raise options.unfit(f"{key}.{part}", "must be the id of the registration, 10 to 25 digits")
    return _Sender(entity, content, templates)


def _template(options: SettingReader, key: str, given: Mapping[str, object]) -> tuple[re.Pattern[str], str]:
    inner = SettingReader(options.carrier, given)
    pattern, content = inner.text("pattern", ""), inner.text("content_id", "")
    inner.finish()
    if not _ID.fullmatch(content):
        raise options.unfit(f"{key}.content_id", "must be the id of the registration, 10 to 25 digits")
    try:
        return re.compile(pattern), content
    except re.error:
        raise options.unfit(f"{key}.pattern", "is not a regular expression") from None


def has_ids(settings: Mapping[str, object]) -> bool:
    """Tell whether the settings of a carrier have registrations to send."""
    return bool(settings.get("dlt"))
