"""Which module tells the news in which dialect."""

from collections.abc import Mapping

from pipeline.dialects.contract import Herald
from pipeline.dialects.robase import webhooks as robase
from pipeline.dialects.solaris import webhooks as solaris
from pipeline.dialects.telesign import webhooks as telesign
from pipeline.dialects.webex import webhooks as webex
from schema.vocabulary import Dialect

HERALDS: Mapping[Dialect, Herald] = {
    Dialect.SOLARIS: solaris,
    Dialect.ROBASE: robase,
    Dialect.TELESIGN: telesign,
    Dialect.WEBEX: webex,
}
