"""Hand orders for SMS to a Postroad installation: `submit(Order(...))`."""

from postroad_client.message_class import MessageClass
from postroad_client.order import MAX_RECIPIENTS, Order, Recipient
from postroad_client.producer import producer, submit

__all__ = ["MAX_RECIPIENTS", "MessageClass", "Order", "Recipient", "producer", "submit"]
