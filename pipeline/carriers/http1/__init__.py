"""A small HTTP/1.1 client that knows whether a request may have left us.

It posts through a window of connections, one request at a time on each, and never tries one twice. It follows no
redirect, keeps no cookie, asks no proxy. Why not aiohttp: docs/decisions/0004-http-carriers.md.
"""

from pipeline.carriers.http1.connection import Address, Answer, Fault, request
from pipeline.carriers.http1.lanes import FUSE, Client, Lanes, new_event_loop
from pipeline.carriers.http1.patience import retry_after

__all__ = ["FUSE", "Address", "Answer", "Client", "Fault", "Lanes", "new_event_loop", "request", "retry_after"]
