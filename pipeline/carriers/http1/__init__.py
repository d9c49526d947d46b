"""A small HTTP/1.1 client that knows whether a request may have been sent.

It posts through a pool of connections, one request at a time on each, and never retries. It follows no
redirects, keeps no cookies, uses no proxy. Why not aiohttp: docs/decisions/0004-http-carriers.md.
"""

from pipeline.carriers.http1.connection import Address, HttpFault, HttpResponse, request
from pipeline.carriers.http1.connection_pool import FUSE, ConnectionPool, HttpClient, new_event_loop
from pipeline.carriers.http1.retry_after_header import retry_after

__all__ = [
    "FUSE",
    "Address",
    "ConnectionPool",
    "HttpClient",
    "HttpFault",
    "HttpResponse",
    "new_event_loop",
    "request",
    "retry_after",
]
