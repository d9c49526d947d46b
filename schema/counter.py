"""The closed set of what is counted for metrics."""

from enum import StrEnum


class Counter(StrEnum):
    """What is counted for metrics, each with its labels in their order; a histogram's last label is its bucket."""

    #: changes of messages' status, with their segments: country, carrier, class, status before, status since
    MESSAGES = "messages"
    #: attempts at carriers: carrier, outcome, code
    ATTEMPTS = "attempts"
    #: delivery receipts, each once: carrier, verdict, code
    RECEIPTS = "receipts"
    #: webhook deliveries that ended: state
    WEBHOOKS = "webhooks"
    #: histogram of the seconds from when a message's batch was queued until its carrier accepted it: class, bucket
    QUEUE_WAIT = "queue_wait"
    #: histogram of the seconds from when a carrier accepted a message until its receipt says delivered: carrier, bucket
    RECEIPT_LAG = "receipt_lag"
    #: histogram of the seconds from when a message was accepted, or scheduled for, until it is delivered: class, bucket
    DELIVERY_TIME = "delivery_time"
