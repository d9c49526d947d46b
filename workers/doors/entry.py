"""The way in, the same at every door: find the operation, know the caller, run it, and never answer out of tune."""

import logging
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import TracebackType
from urllib.parse import unquote

from pipeline.dialects.contract import Manner
from pipeline.errors import Crowded, DatabaseFault
from pipeline.stages.doors.identify import Knock, Turned
from pipeline.vault import Vault
from schema.door import Call, Key, Reply
from schema.message import Refusal
from schema.value_class import value_class
from schema.vocabulary import Code, Dialect
from workers.doors import strangers
from workers.doors.desk import Desk
from workers.doors.strangers import origin_of
from workers.intake import Body, Unread

log = logging.getLogger(__name__)

#: bytes of a body that speaks of one thing only
_USUAL = 256 * 1024


@value_class
class Visit:
    """One call of one operation."""

    desk: Desk
    call: Call
    #: what the path names: `{id}`
    path: Mapping[str, str]
    #: whose it is; None where the operation asks nobody
    caller: Key | None

    @property
    def key(self) -> Key:
        """Return the caller's key."""
        assert self.caller is not None
        return self.caller


@dataclass(frozen=True, slots=True)
class Operation:
    """One thing a door can do."""

    method: str
    #: `/v1/sms/{id}`; a slash at its end makes no difference
    path: str
    #: its limit's name: `send`
    name: str
    run: Callable[[Visit], Awaitable[Reply]]
    #: a key with scopes needs this one among them; None: any key may
    scope: str | None = None
    #: whether it asks for a key
    asks: bool = True
    #: whether it changes what live messages go by, so that no test key may
    live: bool = False
    #: whether it takes many things at once, so that its body may be as large as any at this door
    bulky: bool = False


class Entry:
    """One dialect's door."""

    def __init__(self, manner: Manner, operations: Sequence[Operation]) -> None:
        """Take the dialect's manner and its operations."""
        self.manner = manner
        self._operations = [(_pattern(each.path), each) for each in operations]

    @property
    def dialect(self) -> Dialect:
        """Return whose API it speaks."""
        return self.manner.dialect

    @property
    def operations(self) -> list[Operation]:
        """Return what it can do."""
        return [operation for _, operation in self._operations]

    async def answer(self, desk: Desk, call: Call, body: Body) -> Reply:
        """Return the answer to a call whose body is not read yet: whatever goes wrong, in the dialect's own words.

        Unread says that the body was not taken in, so that its connection must be closed.
        """
        try:
            return await self._answer(desk, call, body)
        except Unread:
            raise
        except DatabaseFault as error:
            desk.note(error)
            log.warning("%s: the call %s went unanswered: %s", self.dialect, call.id, error)
            return self.refuse(call, Code.UNAVAILABLE, "try again in a moment", wait=1.0)
        except Crowded:
            return self.refuse(call, Code.UNAVAILABLE, "try again in a moment", wait=1.0)
        except Exception as error:
            words = "%s: the call %s failed: %s"
            log.error(words, self.dialect, call.id, type(error).__name__, exc_info=frames(error))
            return self.refuse(call, Code.INTERNAL, "the fault is ours")

    def refuse(self, call: Call, code: Code, message: str, wait: float = 0.0) -> Reply:
        """Return the answer that one refusal makes."""
        return self.manner.refuse(call, [Refusal(code, message)], wait)

    def refuse_method(self, call: Call) -> Reply:
        """Return the answer to a call by a method that HTTP does not have."""
        found = self._find(call)
        known = found if isinstance(found, Reply) and "Allow" in found.headers else None
        return known or self._refuse_method(call, dict.fromkeys(each.method for _, each in self._operations))

    async def _answer(self, desk: Desk, call: Call, body: Body) -> Reply:
        found = self._find(call)
        if isinstance(found, Reply):
            return found
        operation, path = found
        if not operation.asks:
            return await operation.run(Visit(desk, call, path, None))
        comes_first = self.manner.is_in_body(call)
        if comes_first:
            with desk.room.share(origin_of(call.source)) as share:
                most = min(self.manner.largest, strangers.LARGEST)
                call = call.with_body(await body.read_of_stranger(most, share))
        caller = await self._know(desk, call, operation)
        if isinstance(caller, Reply):
            return caller
        largest = self.manner.largest if operation.bulky else min(self.manner.largest, _USUAL)
        if body.announced > largest:
            return self.refuse(call, Code.TOO_LARGE, f"a request may have {largest} bytes")
        with desk.burden.load(caller.owner) as weigh:
            # who is known now may take his time, at the cost of his own account
            if not comes_first:
                call = call.with_body(await body.read(largest, weigh))
            return await operation.run(Visit(desk, call, path, caller))

    def _find(self, call: Call) -> tuple[Operation, Mapping[str, str]] | Reply:
        known: list[str] = []
        for pattern, operation in self._operations:
            match = pattern.fullmatch(call.path)
            if match is None:
                continue
            if operation.method == call.method:
                return operation, {name: unquote(word) for name, word in match.groupdict().items()}
            known.append(operation.method)
        if known:
            return self._refuse_method(call, known)
        return self.refuse(call, Code.NOT_FOUND, "there is no such path")

    def _refuse_method(self, call: Call, known: Iterable[str]) -> Reply:
        reply = self.refuse(call, Code.METHOD_UNKNOWN, "the path has no such method")
        return replace(reply, headers={**reply.headers, "Allow": ", ".join(known)})

    async def _know(self, desk: Desk, call: Call, operation: Operation) -> Key | Reply:
        manner, vault, now = self.manner, desk.rt.vault, desk.rt.now()
        handle = manner.who(call, vault)
        if isinstance(handle, Reply):
            return await self._slow_down(desk, call, handle)
        nonce = manner.nonce(call)
        knock = Knock(
            dialect=self.dialect,
            handle=handle,
            source=call.source,
            endpoint=operation.name,
            rate=manner.rate,
            burst=manner.burst,
            prove=lambda key: manner.prove(call, key, vault, now),
            nonce=nonce.word if nonce else None,
            nonce_seconds=nonce.seconds if nonce else 0,
        )
        key = await desk.identify(self._with_older(knock, call, vault) if vault.old else knock)
        if isinstance(key, Turned):
            reply = key.proof if isinstance(key.proof, Reply) else self._turn_away(call, key)
            return await self._slow_down(desk, call, reply) if key.code is Code.UNAUTHENTICATED else reply
        if operation.scope and key.scopes and operation.scope not in key.scopes:
            return self.refuse(call, Code.FORBIDDEN, "this key may not do that")
        if operation.live and key.test:
            return self.refuse(call, Code.FORBIDDEN, "a test key may not do that")
        return key

    def _with_older(self, knock: Knock, call: Call, vault: Vault) -> Knock:
        """Return a knock that finds its key by the hashes of older secret keys too, and lets it be hashed anew."""
        handles = [self.manner.who(call, each) for each in vault.old]
        older = tuple(each for each in handles if isinstance(each, str) and each != knock.handle)
        return replace(knock, older=older, secret_hash=self.manner.secret_hash(call, vault))

    async def _slow_down(self, desk: Desk, call: Call, reply: Reply) -> Reply:
        """Return the answer to one who did not show who he is, when his address may have it."""
        if not await desk.failures.note(call.source, self.dialect):
            raise Unread(Code.RATE_KEY, "too many calls without a good key", wait=1.0)
        return reply

    def _turn_away(self, call: Call, turned: Turned) -> Reply:
        return self.manner.refuse(call, [Refusal(turned.code, _WORDS[turned.code])], turned.wait)


_WORDS = {
    Code.UNAUTHENTICATED: "no such key, or it was revoked",
    Code.ACCOUNT_SUSPENDED: "the account is suspended",
    Code.SOURCE_FORBIDDEN: "this key may not be used from this address",
    Code.CONFLICT: "this very request came before",
    Code.UNAVAILABLE: "try again in a moment",
    Code.INTERNAL: "the fault is ours",
    Code.RATE_KEY: "rate limit exceeded",
}


def _pattern(path: str) -> re.Pattern[str]:
    named = re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", re.escape(path.rstrip("/")))
    return re.compile(named + "/?")


def frames(error: BaseException) -> tuple[type[BaseException], BaseException, TracebackType | None]:
    """Return where an error happened, to be logged without what it says: its words may quote what was asked."""
    return type(error), Exception(type(error).__name__), error.__traceback__
