"""Find a campaign by its name or id."""

from collections.abc import Collection
from uuid import UUID

from pipeline.errors import Conflict, NotFound
from pipeline.rules.campaign_lifecycle import EDITABLE
from pipeline.rules.campaigns.same_definition import difference
from pipeline.runtime import Runtime
from pipeline.store import campaign_progress, campaigns
from schema.campaign import Campaign, CampaignDefinition, CampaignProgress
from schema.vocabulary import CampaignState


def find(rt: Runtime, account: str | None, name_or_id: str) -> Campaign:
    """Return a campaign by its name within an account, or by its id (of that account, if one is given); NotFound."""
    with rt.read_only() as conn:
        found = campaigns.named(conn, account, name_or_id) if account else None
        id_ = None if found else _id(name_or_id)
        if id_ is not None:
            found = campaigns.of(conn, id_)
    if found is None or account not in (None, found.account):
        raise NotFound(f"there is no campaign {name_or_id!r}" + (f" of account {account!r}" if account else ""))
    return found


def find_same(rt: Runtime, definition: CampaignDefinition, ignored: Collection[str] = ()) -> Campaign | None:
    """Return the account's campaign of a definition's name; None: there is none. Conflict: its definition is another.

    `ignored`: fields that need not be the same. The speed of a started campaign need not either: it may be changed.
    """
    with rt.read_only() as conn:
        found = campaigns.named(conn, definition.account, definition.name)
    if found is None:
        return None
    is_started = found.state not in EDITABLE | {CampaignState.CHECKING, CampaignState.APPROVED}
    field = difference(found, definition, {*ignored, *(_SPEED if is_started else ())})
    if field is not None:
        words = f"another {field}: nothing was sent. Give this one another name"
        raise Conflict(f"the account {found.account!r} has a campaign {found.name!r} with {words}")
    return found


_SPEED = ("per_hour", "segments_per_second")


def progress(rt: Runtime, campaign: UUID) -> CampaignProgress:
    """Return the counts of a campaign."""
    with rt.read_only() as conn:
        return campaign_progress.of(conn, campaign)


def _id(written: str) -> UUID | None:
    try:
        return UUID(written)
    except ValueError:
        return None
