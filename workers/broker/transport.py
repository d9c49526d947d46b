"""Kombu's Redis transport with the envelope of each message validated as it comes off the wire.

Kombu reads the envelope outside of every guard that a consumer can set: an item that is no JSON, or JSON without a
delivery tag, ends the process. What is no envelope goes to the dead letters instead, and the reader takes the next.
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
    """Return the first word of what Redis says, also of one command of several: the rest may quote a key."""
    return str(error).rpartition(" caused error: ")[2].partition(" ")[0]


def _is_wrong_type(error: ResponseError) -> bool:
    return _kind(error) == "WRONGTYPE"


def _remove_unless(client: Any, kind: str, key: str) -> bytes | None:
    """Remove a key of another type; return what may be kept of it, None: it is of this type, or not there."""
    found = bytes_to_str(client.type(key))
    if found in (kind, "none"):
        return None
    kept = client.getrange(key, 0, LARGEST) if found == "string" else found.encode()
    client.unlink(key)
    return bytes(kept)


class QoS(redis.QoS):
    """The messages in work, of which a damaged record is set aside instead of being tried for ever."""

    channel: Any
    _remove_from_indices: Any

    def append(self, message: Any, delivery_tag: Any) -> None:
        """Record that a message is in work; one that the broker does not let us record is carried all the same.

        It has left its queue by then. A broker that is full refuses, and so does one where others have put something
        else under the key.
        """
        try:
            super().append(message, delivery_tag)
        except ResponseError as error:
            log.error("a message in work cannot be recorded in the broker: %s", _kind(error))
            virtual.QoS.append(self, message, delivery_tag)

    def ack(self, delivery_tag: Any) -> None:
        """Forget a message that is done with."""
        try:
            super().ack(delivery_tag)
        except ResponseError:
            virtual.QoS.ack(self, delivery_tag)

    def reject(self, delivery_tag: Any, requeue: bool = False) -> None:
        """Give a message back to its queue, or forget it."""
        try:
            super().reject(delivery_tag, requeue)
        except ResponseError:
            virtual.QoS.reject(self, delivery_tag, requeue=False)

    def restore_visible(self, *args: Any, **kwargs: Any) -> None:
        """Give back what others took and did not finish."""
        try:
            super().restore_visible(*args, **kwargs)
        except ResponseError as error:
            log.error("messages that others left cannot be given back: %s", _kind(error))

    def restore_by_tag(self, tag: Any, client: Any = None, leftmost: bool = False) -> None:
        """Give a message back to its queue."""
        try:
            super().restore_by_tag(tag, client, leftmost)
        except self.channel.connection_errors:
            raise
        except Exception:  # noqa: BLE001 - others have written there: whatever is wrong, the next one is not
            with self.channel.conn_or_acquire(client) as connection:
                item = connection.hget(self.unacked_key, tag)
                self._remove_from_indices(tag).execute()
            keeper.put(str(self.unacked_key), Malformed(Reason.UNACKED), item or b"")


class Channel(redis.Channel):
    """A channel that hands on none but whole envelopes."""

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
                if not (_is_wrong_type(error) and self._set_aside_no_lists()):
                    raise
                raise Empty from None
            if not found:
                raise Empty
            key, item = found
            queue = bytes_to_str(key).rsplit(self.sep, 1)[0]
            self._queue_cycle.rotate(queue)
            self._hand_on(queue, item)
            return True
        finally:
            self._in_poll = None
            self._flush_brpop_reauth()

    def _size(self, queue: str) -> int:
        """Return how many messages are in a queue; what is no list under its name is set aside when it is read."""
        try:
            return int(super()._size(queue))
        except ResponseError as error:
            if not _is_wrong_type(error):
                raise
            return 0

    def _set_aside_no_lists(self) -> bool:
        """Set aside what others put under a queue's name and is no list, for all queues wait for it; tell of any."""
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
        """Write a binding (exchange, routing key, pattern, queue), in the place of what is no table of bindings."""
        write = super()._queue_bind  # type: ignore[misc]
        try:
            write(*binding)
        except ResponseError as error:
            if not _is_wrong_type(error):
                raise
            log.error("the bindings of %s in the broker were overwritten: they are made anew", binding[0])
            with self.conn_or_acquire() as client:
                for key in (self.keyprefix_queue, self.keyprefix_binding_permanent):
                    _remove_unless(client, "set", self.global_keyprefix + key % binding[0])
            write(*binding)

    def get_table(self, exchange: str) -> list[tuple[str, str, str]]:
        """Return an exchange's bindings, without what others wrote among them."""
        try:
            table = super().get_table(exchange)
        except ResponseError:
            return []
        return [binding for binding in table if len(binding) == _BINDING]

    def _hand_on(self, queue: str, item: bytes) -> None:
        try:
            envelope = opened(item, queue)
        except Malformed as fault:
            keeper.put(queue, fault, item)
        else:
            self.connection._deliver(envelope, queue)

    def _receive_one(self, c: Any) -> bool | None:
        """Read one broadcast; one that is no envelope is logged, without its content, and left."""
        try:
            response = c.parse_response()
        except self.connection_errors:
            self._in_listen = None
            raise
        if not isinstance(response, list | tuple):
            return None
        reported = self._handle_message(c, response)
        if not bytes_to_str(reported["type"]).endswith("message") or not reported["data"]:
            return None
        exchange = bytes_to_str(reported["channel"]).partition(".")[2].split("/", 1)[0]
        queue = self._fanout_to_queue.get(exchange)
        if queue is None:
            return None
        try:
            envelope = opened(reported["data"], queue)
            if exchange == CONTROL:
                require_question(envelope)
        except Malformed as fault:
            log.error("a broadcast to %s was thrown away: %s", exchange, fault)
            return None
        self.connection._deliver(envelope, queue)
        return True

    def _do_restore_message(
        self, payload: Any, exchange: str, routing_key: str, pipe: Any, leftmost: bool = False
    ) -> None:
        """Put a message back into the queue it came from; kombu logs one whole that it cannot put back."""
        envelope = checked(payload, routing_key)
        envelope["properties"]["delivery_info"]["redelivered"] = True
        (pipe.lpush if leftmost else pipe.rpush)(routing_key, dumps(envelope))


class Transport(redis.Transport):
    """The transport of those channels."""

    Channel = Channel


class GuardedConnection(Connection):
    """A connection to the broker, which reads Redis' lists by the transport above."""

    def get_transport_cls(self) -> Any:
        """Return the transport's class."""
        found = super().get_transport_cls()
        return Transport if found is redis.Transport else found
