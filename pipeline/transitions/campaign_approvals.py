"""Who may approve a campaign: another actor than its writers above an account's amount; also as one of a series."""

from pipeline.rules.money.currencies import spell
from pipeline.runtime import Connection
from pipeline.store import accounts, audit_log, campaigns
from schema.actor import Actor, actor_name
from schema.campaign import Campaign
from schema.vocabulary import ActorKind

#: actors that prove who they are
AUTHENTICATED = {ActorKind.OS_USER, ActorKind.USER, ActorKind.API_KEY}
#: those of a person, who may be one in the shell and in the console
_PERSONS = {ActorKind.OS_USER, ActorKind.USER}
#: columns that say how far a campaign is; whoever changes another one has written it
_STATE_COLUMNS = {
    *("state", "reason", "quoted_at", "quote_until", "max_cost"),
    *("approved_by", "approved_at", "started_at", "ended_at"),
    *("repeat_next_at", "repeat_ended", "copies_from", "approved_with"),
}


def covers(conn: Connection, approver: str, campaign: Campaign, cost: int) -> bool:
    """Tell whether who approved a campaign of a series, as its row names him, may approve this one at its cost."""
    limit = accounts.four_eyes_above(conn, campaign.account_id)
    if limit is None or cost <= limit:
        return True
    is_authenticated = approver.partition(":")[0] in AUTHENTICATED
    return is_authenticated and not is_same(approver, campaign.created_by) and not is_writer(conn, approver, campaign)


def refusal(conn: Connection, campaign: Campaign, cost: int, actor: Actor | None) -> str | None:
    """Return why an actor may not approve a campaign at its cost; None: he may.

    Where the account demands another approver than those who wrote it, a claimed name proves nothing: it makes nobody
    another actor, but may show that this one is the creator.
    """
    limit = accounts.four_eyes_above(conn, campaign.account_id)
    if limit is None or cost <= limit:
        return None
    above = f"account {campaign.account!r} requires a second person above {spell(limit, campaign.currency)}"
    if actor is None or actor.kind not in AUTHENTICATED:
        return f"{above}: a user or an API key must approve"
    creator = campaign.created_by
    names = filter(None, (actor.name, actor.claimed))
    if any(is_same(creator, f"{actor.kind}:{name}") for name in names):
        return f"{above}: its creator, {creator}, cannot approve campaign {campaign.name!r}"
    if actor.kind is ActorKind.OS_USER and actor.claimed is not None:
        return f"{above}: a user must approve as himself, without --as or sudo"
    if is_writer(conn, actor_name(actor), campaign):
        writer = f"{actor_name(actor)}, who has created it, changed it or loaded recipients"
        return f"{above}: {writer}, cannot approve campaign {campaign.name!r}"
    return None


def is_same(one: str, other: str) -> bool:
    """Tell whether two actors, as rows name them, are or may be one: users of the shell and the console by one name."""
    return _person(one) == _person(other)


def is_writer(conn: Connection, actor: str, campaign: Campaign) -> bool:
    """Tell whether an actor, as rows name him, created or changed a campaign or its recipients."""
    return any(is_same(actor, writer) for writer in _writers(conn, campaign))


def _person(actor: str) -> str:
    kind, _, name = actor.partition(":")
    return name.lower() if kind in _PERSONS else actor


def _writers(conn: Connection, campaign: Campaign) -> set[str]:
    """Return who created or changed a campaign or its recipients, or the first of its series, which it is made of."""
    first = campaigns.of(conn, campaign.series_id) if campaign.series_id else None
    found: set[str] = set()
    for each in filter(None, (campaign, first)):
        of = conn, each.account_id, "campaigns", each.audit_subject
        found |= audit_log.writers(*of, each.created_at, _STATE_COLUMNS)
    return found
