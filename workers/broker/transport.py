"""Kombu's Redis transport with the envelope of each message validated as it is read.

Kombu parses the envelope where no consumer can catch an error: an item that is not JSON, or JSON without a delivery
tag, ends the process. Here an invalid envelope becomes a dead letter, and the next item is read.
"""

import logging
from collections.abc import Callable
from queue import Empty
from typing import Any

from kombu import Connection
from kombu.transport import redis, virtual
from kombu.utils.encoding import bytes_to_str
from kombu.utils.json import dumps
from redis import ResponseError

from workers.broker.broadcasts import CONTROL, require_question
from workers.broker.dead_letter_writer import LARGEST, keeper
from workers.broker.envelope import checked, opened
from workers.broker.rejections import Malformed, Reason

log = logging.getLogger(__name__)

#: parts of a binding: routing key, pattern, queue
_BINDING = 3


def _kind(error: ResponseError) -> str:
    """Return the error code of a Redis error, also of one in a pipeline: the rest of the text may quote a key."""
    return str(error).rpartition(" caused error: ")[2].partition(" ")[0]


def _is_wrong_type(error: ResponseError) -> bool:
    return _kind(error) == "WRONGTYPE"


def _remove_unless(client: Any, kind: str, key: str) -> bytes | None:
    """Delete a key of another type; return what to keep of it, None when it is of this type or missing."""
    found = bytes_to_str(client.type(key))
    if found in (kind, "none"):
        return None
    kept = client.getrange(key, 0, LARGEST) if found == "string" else found.encode()
    client.unlink(key)
    return bytes(kept)


class QoS(redis.QoS):
    """The unacknowledged messages; a damaged record of one is dead-lettered instead of being retried for ever."""

    channel: Any
    _remove_from_indices: Any

    def append(self, message: Any, delivery_tag: Any) -> None:
        """Record a message as unacknowledged; one that the broker does not let us record is processed anyway.

        It has already left its queue. A broker that is out of memory refuses, and so does one where the key holds
        another type.
        """
        try:
            super().append(message, delivery_tag)
        except ResponseError as error:
            log.error("an unacknowledged message cannot be recorded in the broker: %s", _kind(error))
            virtual.QoS.append(self, message, delivery_tag)

    def ack(self, delivery_tag: Any) -> None:
        """Acknowledge a message."""
        try:
            super().ack(delivery_tag)
        except ResponseError:
            virtual.QoS.ack(self, delivery_tag)

    def reject(self, delivery_tag: Any, requeue: bool = False) -> None:
        """Requeue a message, or drop it."""
        try:
            super().reject(delivery_tag, requeue)
        except ResponseError:
            virtual.QoS.reject(self, delivery_tag, requeue=False)

    def restore_visible(self, *args: Any, **kwargs: Any) -> None:
        """Requeue messages that other workers took and did not acknowledge."""
        try:
            super().restore_visible(*args, **kwargs)
        except ResponseError as error:
            log.error("unacknowledged messages of other workers cannot be requeued: %s", _kind(error))

    def restore_by_tag(self, tag: Any, client: Any = None, leftmost: bool = False) -> None:
        """Requeue a message by its delivery tag."""
        try:
            super().restore_by_tag(tag, client, leftmost)
        except self.channel.connection_errors:
            raise
        except Exception:  # noqa: BLE001 - another client wrote there: dead-letter this one, go on
            with self.channel.conn_or_acquire(client) as connection:
                item = connection.hget(self.unacked_key, tag)
                self._remove_from_indices(tag).execute()
            keeper.put(str(self.unacked_key), Malformed(Reason.UNACKED), item or b"")


class Channel(redis.Channel):
    """A channel that delivers only valid envelopes."""

    QoS = QoS
    connection_errors: tuple[type[Exception], ...]
    _queue_cycle: Any
    _flush_brpop_reauth: Any
    _handle_message: Any
    _fanout_to_queue: dict[str, str]
    _q_for_pri: Callable[[str, int], str]
    active_queues: set[str]
    conn_or_acquire: Any
    global_keyprefix: str
    keyprefix_queue: str
    keyprefix_binding_permanent: str
    priority_steps: list[int]
    sep: str

    def _brpop_read(self, **options: Any) -> bool:
        client = self.client
        try:
            try:
                found = client.parse_response(client.connection, "BRPOP", **options)
            except self.connection_errors:
                client.connection.disconnect()
                raise
            except ResponseError as error:
                if not (_is_wrong_type(error) and self._dead_letter_other_types()):
                    raise
                raise Empty from None
            if not found:
                raise Empty
            key, item = found
            queue = bytes_to_str(key).rsplit(self.sep, 1)[0]
            self._queue_cycle.rotate(queue)
            self._deliver_item(queue, item)
            return True
        finally:
            self._in_poll = None
            self._flush_brpop_reauth()

    def _size(self, queue: str) -> int:
        """Return how many messages are in a queue; a key of another type counts 0 and is dead-lettered on reading."""
        try:
            return int(super()._size(queue))
        except ResponseError as error:
            if not _is_wrong_type(error):
                raise
            return 0

    def _dead_letter_other_types(self) -> bool:
        """Dead-letter keys of queues that hold another type, which block BRPOP for all queues; tell of any."""
        found = False
        with self.conn_or_acquire() as client:
            for queue in self.active_queues:
                for step in self.priority_steps:
                    kept = _remove_unless(client, "list", self.global_keyprefix + self._q_for_pri(queue, step))
                    if kept is not None:
                        keeper.put(queue, Malformed(Reason.NO_LIST), kept)
                        found = True
        return found

    def _queue_bind(self, *binding: Any) -> None:
        """Write a binding (exchange, routing key, pattern, queue), replacing a key that holds no bindings."""
        write = super()._queue_bind  # type: ignore[misc]
        try:
            write(*binding)
        except ResponseError as error:
            if not _is_wrong_type(error):
                raise
            log.error("the bindings of %s in the broker were overwritten: they are written again", binding[0])
            with self.conn_or_acquire() as client:
                for key in (self.keyprefix_queue, self.keyprefix_binding_permanent):
                    _remove_unless(client, "set", self.global_keyprefix + key % binding[0])
            write(*binding)

    def get_table(self, exchange: str) -> list[tuple[str, str, str]]:
        """Return an exchange's bindings, without malformed entries."""
        try:
            table = super().get_table(exchange)
        except ResponseError:
            return []
        return [binding for binding in table if len(binding) == _BINDING]

    def _deliver_item(self, queue: str, item: bytes) -> None:
        try:
            envelope = opened(item, queue)
        except Malformed as fault:
            keeper.put(queue, fault, item)
        else:
            self.connection._deliver(envelope, queue)

    def _receive_one(self, c: Any) -> bool | None:
        """Read one broadcast; an invalid one is logged, without its content, and dropped."""
        try:
            response = c.parse_response()
        except self.connection_errors:
            self._in_listen = None
            raise
        if not isinstance(response, list | tuple):
            return None
        received = self._handle_message(c, response)
        if not bytes_to_str(received["type"]).endswith("message") or not received["data"]:
            return None
        exchange = bytes_to_str(received["channel"]).partition(".")[2].split("/", 1)[0]
        queue = self._fanout_to_queue.get(exchange)
        if queue is None:
            return None
        try:
            envelope = opened(received["data"], queue)
            if exchange == CONTROL:
                require_question(envelope)
        except Malformed as fault:
            log.error("a broadcast to %s was rejected: %s", exchange, fault)
            return None
        self.connection._deliver(envelope, queue)
        return True

    def _do_restore_message(
        self, payload: Any, exchange: str, routing_key: str, pipe: Any, leftmost: bool = False
    ) -> None:
        """Requeue a message into the queue it came from; kombu would log the content of one that it cannot requeue."""
        envelope = checked(payload, routing_key)
        envelope["properties"]["delivery_info"]["redelivered"] = True
        (pipe.lpush if leftmost else pipe.rpush)(routing_key, dumps(envelope))


class Transport(redis.Transport):
    """The transport that uses these channels."""

    Channel = Channel


class GuardedConnection(Connection):
    """A connection to the broker that uses the transport above for Redis."""

    def get_transport_cls(self) -> Any:
        """Return the transport's class."""
        found = super().get_transport_cls()
        return Transport if found is redis.Transport else found
