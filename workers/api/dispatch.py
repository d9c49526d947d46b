"""Dispatches API requests: finds the operation, authenticates, reads the body, runs it; errors in the API's format."""

import logging
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from types import TracebackType
from urllib.parse import unquote

from pipeline.dialects.contract import ApiOperation, Dialect, RequestContext
from pipeline.errors import DatabaseFault, Overloaded
from pipeline.runtime import acting
from pipeline.stages.api.authenticate import Credentials, Denied
from pipeline.vault import Vault
from schema.actor import Actor
from schema.api import ApiKey, ApiRequest, ApiResponse
from schema.message import Refusal
from schema.vocabulary import ActorKind, Code
from workers.api import openapi_page, unauthenticated
from workers.api.submission import SubmissionService
from workers.api.unauthenticated import origin_of
from workers.gateway.request_body import BodyRejected, RequestBody

log = logging.getLogger(__name__)

#: largest body in bytes of an operation that is not bulky
_USUAL = 256 * 1024


class ApiDispatcher:
    """Dispatches the requests of one dialect's HTTP API."""

    def __init__(self, dialect: Dialect) -> None:
        """Take the dialect; the operations for its OpenAPI document and its documentation page are added."""
        self.dialect, self.authentication = dialect, dialect.authentication
        self.operations = (*dialect.operations, *openapi_page.operations(dialect.document))
        self._operations = [(_pattern(each.path), each) for each in self.operations]

    async def answer(
        self, submission: SubmissionService, call: ApiRequest, body: RequestBody
    ) -> tuple[str | None, ApiResponse]:
        """Return the response to a request whose body is not read yet, and the operation's name (None: it is none).

        All errors are in the dialect's format. Raises BodyRejected if the body was not read: then its connection must
        be closed.
        """
        found = self._find(call)
        if isinstance(found, ApiResponse):
            return None, found
        operation, path = found
        try:
            return operation.name, await self._answer(submission, call, body, operation, path)
        except BodyRejected:
            raise
        except DatabaseFault as error:
            submission.note(error)
            words = "%(dialect)s: the call %(call)s went unanswered: %(fault)s"
            log.warning(words, {"dialect": self.dialect.name, "call": call.id, "fault": error})
            return operation.name, self.refuse(call, Code.UNAVAILABLE, "try again in a moment", wait=1.0)
        except Overloaded:
            return operation.name, self.refuse(call, Code.UNAVAILABLE, "try again in a moment", wait=1.0)
        except Exception as error:
            words = "%(dialect)s: the call %(call)s failed: %(fault)s"
            said = {"dialect": self.dialect.name, "call": call.id, "fault": type(error).__name__}
            log.error(words, said, exc_info=frames(error))
            return operation.name, self.refuse(call, Code.INTERNAL, "the fault is ours")

    def refuse(self, call: ApiRequest, code: Code, message: str, wait: float = 0.0) -> ApiResponse:
        """Return the error response for one refusal."""
        return self.authentication.refuse(call, [Refusal(code, message)], wait)

    def refuse_method(self, call: ApiRequest) -> ApiResponse:
        """Return the error response to a request with an unknown HTTP method."""
        found = self._find(call)
        known = found if isinstance(found, ApiResponse) and "Allow" in found.headers else None
        return known or self._refuse_method(call, dict.fromkeys(each.method for _, each in self._operations))

    async def _answer(
        self,
        submission: SubmissionService,
        call: ApiRequest,
        body: RequestBody,
        operation: ApiOperation,
        path: Mapping[str, str],
    ) -> ApiResponse:
        if not operation.requires_key:
            return await operation.run(RequestContext(self.dialect, submission, call, path, None))
        comes_first = self.authentication.is_in_body(call)
        if comes_first:
            with submission.room.share(origin_of(call.source)) as share:
                most = min(self.authentication.largest, unauthenticated.LARGEST)
                call = call.with_body(await body.read_unauthenticated(most, share))
        caller = await self._authenticate(submission, call, operation)
        if isinstance(caller, ApiResponse):
            return caller
        largest = self.authentication.largest if operation.takes_many else min(self.authentication.largest, _USUAL)
        if body.announced > largest:
            return self.refuse(call, Code.TOO_LARGE, f"a request may have {largest} bytes")
        with submission.memory_limit.load(caller.owner) as set_size:
            # the client is authenticated: a slow body occupies its own account's memory only
            if not comes_first:
                call = call.with_body(await body.read(largest, set_size))
            before = acting.set(self._actor(call, caller, operation))
            try:
                return await operation.run(RequestContext(self.dialect, submission, call, path, caller))
            finally:
                acting.reset(before)

    def _actor(self, call: ApiRequest, caller: ApiKey, operation: ApiOperation) -> Actor:
        """Return the actor of what an operation changes."""
        action = f"{self.dialect.name} {operation.method} {operation.path}"
        return Actor(ActorKind.API_KEY, str(caller.id), call.source, action)

    def _find(self, call: ApiRequest) -> tuple[ApiOperation, Mapping[str, str]] | ApiResponse:
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

    def _refuse_method(self, call: ApiRequest, known: Iterable[str]) -> ApiResponse:
        reply = self.refuse(call, Code.METHOD_UNKNOWN, "the path has no such method")
        return replace(reply, headers={**reply.headers, "Allow": ", ".join(known)})

    async def _authenticate(
        self, submission: SubmissionService, call: ApiRequest, operation: ApiOperation
    ) -> ApiKey | ApiResponse:
        authentication, vault, now = self.authentication, submission.rt.vault, submission.rt.now()
        handle = authentication.find_handle(call, vault)
        if isinstance(handle, ApiResponse):
            return await self._slow_down(submission, call, handle)
        nonce = authentication.nonce(call)
        credentials = Credentials(
            dialect=self.dialect.name,
            handle=handle,
            source=call.source,
            endpoint=operation.name,
            rate=authentication.rate,
            burst=authentication.burst,
            verify=lambda key: authentication.verify(call, key, vault, now),
            nonce=nonce.word if nonce else None,
            nonce_seconds=nonce.seconds if nonce else 0,
        )
        key = await submission.authenticate(self._with_older(credentials, call, vault) if vault.old else credentials)
        if isinstance(key, Denied):
            reply = key.proof if isinstance(key.proof, ApiResponse) else self._refuse(call, key)
            return await self._slow_down(submission, call, reply) if key.code is Code.UNAUTHENTICATED else reply
        if operation.scope and key.scopes and operation.scope not in key.scopes:
            return self.refuse(call, Code.FORBIDDEN, "this key may not do that")
        if operation.live_only and key.test:
            return self.refuse(call, Code.FORBIDDEN, "a test key may not do that")
        return key

    def _with_older(self, credentials: Credentials, call: ApiRequest, vault: Vault) -> Credentials:
        """Return credentials that match hashes by older secret keys too; a match is stored again under the newest."""
        handles = [self.authentication.find_handle(call, each) for each in vault.old]
        older = tuple(each for each in handles if isinstance(each, str) and each != credentials.handle)
        return replace(credentials, older=older, secret_hash=self.authentication.secret_hash(call, vault))

    async def _slow_down(self, submission: SubmissionService, call: ApiRequest, reply: ApiResponse) -> ApiResponse:
        """Return the response to a failed authentication after a delay; BodyRejected if too many of them wait."""
        if not await submission.failures.note(call.source, self.dialect.name):
            raise BodyRejected(Code.RATE_KEY, "too many calls without a good key", wait=1.0)
        return reply

    def _refuse(self, call: ApiRequest, denied: Denied) -> ApiResponse:
        return self.authentication.refuse(call, [Refusal(denied.code, _WORDS[denied.code])], denied.wait)


_WORDS = {
    Code.UNAUTHENTICATED: "no such key, or it was revoked or has expired",
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
    """Return an error for the log with its traceback, but without its text, which may quote the request."""
    return type(error), Exception(type(error).__name__), error.__traceback__
