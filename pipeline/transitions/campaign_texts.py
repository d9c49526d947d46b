"""The text that a campaign's definition means, looked up where it names a template."""

from pipeline.errors import InvalidInput, NotFound
from pipeline.runtime import Connection
from pipeline.store.accounts import Account
from pipeline.store.api import templates as stored_templates
from schema.campaign import CampaignDefinition
from schema.vocabulary import Syntax

#: most characters of a text
MOST_TEXT = 1600


def text_of(conn: Connection, owner: Account, definition: CampaignDefinition) -> tuple[str, int | None]:
    """Return a definition's text, and which version of its template that is; NotFound; InvalidInput: it is none."""
    if definition.body is not None:
        return definition.body, None
    slug = definition.template or ""
    found = stored_templates.find(conn, owner.id, [slug]).get(slug)
    if found is None:
        raise NotFound(f"template: the account {owner.name!r} has no template {slug!r}")
    if found.syntax is not Syntax.MERGE:
        words = "is written with {{.name}}, for the API that it was made through"
        raise InvalidInput(f"template: {slug!r} {words}; a campaign needs ${{name}}: give its text as `body`")
    if not found.body.strip() or len(found.body) > MOST_TEXT:
        raise InvalidInput(f"template: a campaign's text has 1 to {MOST_TEXT:,} characters, that of {slug!r} has not")
    return found.body, found.version
