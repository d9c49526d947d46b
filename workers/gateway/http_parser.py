"""The HTTP/1.1 request parser: aiohttp's, used so that an error loses no pipelined request before it.

aiohttp's parser raises at an error and drops the requests that it had parsed from the same bytes. Here it is fed one
head at a time and stops after each request, so that the requests before an error are answered, then the error. An error
in a body is raised where that body is read. Bodies are passed on as received: nothing is decompressed.
"""

import ast
import asyncio
from typing import Any

from aiohttp import web
from aiohttp.base_protocol import BaseProtocol
from aiohttp.http import HttpRequestParser
from aiohttp.http_exceptions import BadHttpMethod, HttpProcessingError, LineTooLong
from aiohttp.streams import StreamReader

from schema.vocabulary import Code

#: bytes of a request target, of one header field, and of a whole head; the first two differ so that errors differ
LINE, FIELD, HEAD = 8_191, 8_190, 32 * 1024
#: most header fields of a request
FIELDS = 100
#: most pipelined requests of one connection
PIPELINED = 32
#: a body is buffered up to twice these bytes, plus one read, before its handler reads it
BUFFER = 32 * 1024

_BLANK = b"\r\n\r\n"
#: characters of a method (RFC 9110, 5.6.2), and its greatest length
_TOKEN = frozenset(b"!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
_LONGEST = 255
#: methods of RFC 9110, section 9, and RFC 5789
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"})

_Messages = tuple[Any, ...]
_Fed = tuple[_Messages, bool, bytes]
_NOTHING: _Fed = ((), False, b"")


class MalformedRequest(HttpProcessingError):
    """Bytes that are not a valid request: the reason, and method, target and host as far as known."""

    def __init__(self, refusal: Code, head: bytes) -> None:
        super().__init__(code=400, message="")
        self.refusal = refusal
        self.method, self.target = _request_line(head)
        self.host = _host(head)


class RequestParser:
    """Parses the requests of one connection; replaces the parser of a `RequestHandler`."""

    def __init__(self, protocol: BaseProtocol, loop: asyncio.AbstractEventLoop) -> None:
        """Take the protocol of the connection."""
        self._protocol = protocol
        self._parser = HttpRequestParser(
            protocol,
            loop,
            BUFFER,
            max_line_size=LINE,
            max_field_size=FIELD,
            max_headers=FIELDS,
            payload_exception=web.RequestPayloadError,
            auto_decompress=False,
            max_msg_queue_size=1,
        )
        #: the bytes of an incomplete head, those fed last, and those kept until earlier requests are answered
        self._head = self._piece = self._kept = b""
        #: the body of the latest request
        self._body: StreamReader | None = None
        #: its outstanding bytes; 0 where only the parser knows
        self._left = 0
        self._waiting = 0
        self._fault: MalformedRequest | None = None
        self._ended = False
        #: whether nothing is kept, here or in the parser
        self._is_drained = True
        #: whether an error ended the parsing
        self.is_broken = False

    @property
    def is_in_request(self) -> bool:
        """Whether a request is received in part."""
        return bool(self._head) or self._is_in_body()

    def feed_data(self, data: bytes) -> _Fed:
        """Return the requests that these bytes complete, as aiohttp's parser does; MalformedRequest on an error."""
        if self._fault:
            fault, self._fault = self._fault, None
            raise fault
        if self._ended or (self._is_drained and not data):
            return _NOTHING
        found: list[Any] = []
        try:
            return self._feed(data, found)
        except HttpProcessingError as error:
            return self._fail(error, data, found)

    def message_consumed(self) -> None:
        """Note that a request is being answered."""
        self._waiting -= 1

    def pause_reading(self) -> None:
        """Stop parsing the body for now; the rest is kept."""
        self._parser.pause_reading()

    def set_upgraded(self, value: bool) -> None:
        """Go on with HTTP/1.1 after a request for an upgrade."""
        self._parser.set_upgraded(value)

    def end(self) -> None:
        """Note the end of input: an incomplete body fails."""
        self._ended = True
        self._fail_body()

    def _feed(self, data: bytes, found: list[Any]) -> _Fed:
        rest, self._kept = self._kept + data if self._kept else data, b""
        self._is_drained = False
        while len(found) + self._waiting < PIPELINED:
            in_body = self._is_in_body()
            end = self._left if in_body else self._end_of_head(rest)
            self._piece, rest = (rest[:end], rest[end:]) if end else (rest, b"")
            messages, upgraded, tail = self._parser.feed_data(self._piece)
            self._parser.message_consumed()
            if in_body:
                self._left -= min(len(self._piece), self._left)
            else:
                self._measure_head(bool(messages))
            if messages:
                self._note(*messages[-1], is_exact=end > 0)
                found += messages
            if upgraded:
                self._waiting += len(found)
                return tuple(found), True, tail + rest
            # the parser keeps bytes after a chunked body until it is fed again
            if not rest and (end or not (messages or in_body) or self._is_in_body()):
                self._is_drained = end > 0 and not self._is_in_body()
                break
        self._kept = rest
        self._waiting += len(found)
        return tuple(found), False, b""

    def _note(self, message: Any, body: StreamReader, *, is_exact: bool) -> None:
        """Note the body that follows, and its length where no byte of it came with its head."""
        if message.version.major != 1:
            raise MalformedRequest(Code.MALFORMED, self._piece)
        self._body = body
        self._left = int(message.headers.get("Content-Length") or 0) if is_exact else 0

    def _end_of_head(self, data: bytes) -> int:
        """Return the index at which these bytes end the head; 0 if they do not."""
        before = self._head[-3:]
        at = (before + data[:3]).find(_BLANK) if before else -1
        if at >= 0:
            return at + 4 - len(before)
        at = data.find(_BLANK)
        return at + 4 if at >= 0 else 0

    def _measure_head(self, is_complete: bool) -> None:
        if len(self._head) + len(self._piece) > HEAD:
            raise MalformedRequest(Code.HEADERS_TOO_LARGE, self._head + self._piece)
        self._head = b"" if is_complete else self._head + self._piece

    def _is_in_body(self) -> bool:
        return self._body is not None and not self._body.is_eof()

    def _fail(self, error: HttpProcessingError, data: bytes, found: list[Any]) -> _Fed:
        self._ended = self.is_broken = True
        self._waiting += len(found)
        if self._fail_body():
            return tuple(found), False, b""
        head = self._head + self._piece or _quoted(error) or data
        fault = error if isinstance(error, MalformedRequest) else MalformedRequest(_code(error, head), head)
        if not found:
            raise fault from None
        # raised when the requests before it are answered: pausing makes the RequestHandler feed again then
        self._fault = fault
        self._protocol._pause_reading_for_buffer()
        return tuple(found), False, b""

    def _fail_body(self) -> bool:
        """Fail the reader of an incomplete body; return whether there is one."""
        if not self._is_in_body():
            return False
        assert self._body is not None
        self._body.set_exception(web.RequestPayloadError("the body violates HTTP"))
        return True


def _code(error: HttpProcessingError, head: bytes) -> Code:
    if isinstance(error, LineTooLong):
        return Code.TARGET_TOO_LONG if error.args[1] == LINE else Code.HEADERS_TOO_LARGE
    if error.args[:1] == ("Too many headers received",):
        return Code.HEADERS_TOO_LARGE
    method, _ = _request_line(head)
    is_odd = isinstance(error, BadHttpMethod) and method and method not in _METHODS
    return Code.METHOD_UNKNOWN if is_odd else Code.MALFORMED


def _quoted(error: HttpProcessingError) -> bytes:
    """Return the line that the parser's error quotes; b"" if it quotes none."""
    try:
        line = ast.literal_eval(error.message.split("\n")[2].strip()[:LINE])
    except (IndexError, SyntaxError, ValueError):
        return b""
    return line if isinstance(line, bytes) else b""


def _request_line(head: bytes) -> tuple[str, str]:
    """Return method and target of the last request line in these bytes, each "" if there is none."""
    line = head[: head.find(b"\n") + 1] or head
    later = head.rfind(b" HTTP/1.")
    if later >= len(line):
        line = head[head.rfind(b"\n", 0, later) + 1 :].partition(b"\n")[0]
    method, _, rest = line.strip().partition(b" ")
    target = rest.partition(b" ")[0]
    if not method or target[:1] not in (b"/", b"h", b"*"):
        return "", ""
    fits = len(method) <= _LONGEST and _TOKEN.issuperset(method)
    return method.decode("ascii") if fits else "", target[:LINE].decode("latin-1")


def _host(head: bytes) -> str:
    at = head.lower().rfind(b"\nhost:")
    return "" if at < 0 else head[at + 6 : at + 300].partition(b"\n")[0].strip().decode("latin-1")
