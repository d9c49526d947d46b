"""The actor of a change: who makes it, from where, and by which command or operation."""

from schema.value_class import value_class
from schema.vocabulary import ActorKind


@value_class
class Actor:
    """Who makes a change of configuration or control."""

    kind: ActorKind
    #: name of a user, or id of an API key
    name: str
    #: host, or client address
    origin: str
    #: command or operation: `carrier drain`
    action: str
    #: on whose behalf, as the actor claims; None: its own
    claimed: str | None = None


def actor_name(actor: Actor | None) -> str:
    """Return an actor as rows name it: `os_user:ada`; None: the product itself."""
    return f"{actor.kind}:{actor.name}" if actor else f"{ActorKind.SYSTEM}:postroad"
