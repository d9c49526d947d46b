"""Why an installation needs a person."""

from enum import StrEnum


class Concern(StrEnum):
    """A kind of condition that needs a person."""

    #: the broker does not answer
    BROKER_AWAY = "broker_away"
    #: no worker has handled a tick of beat for a while
    CLOCK_STOPPED = "clock_stopped"
    #: a worker that should run does not answer
    WORKER_GONE = "worker_gone"
    #: due messages wait for too long
    MESSAGES_LATE = "messages_late"
    #: messages are held because no carrier on their route may be given any
    NO_CARRIER = "no_carrier"
    #: a carrier is drained because its balance is low
    CARRIER_UNPAID = "carrier_unpaid"
    #: a campaign's check failed, or it was paused by no person
    CAMPAIGN_STOPPED = "campaign_stopped"
    #: there are dead letters that nobody has dropped
    DEAD_LETTERS = "dead_letters"
    #: orders are in a list of the broker that no worker reads
    ORDERS_UNREAD = "orders_unread"
