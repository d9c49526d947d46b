"""Renders the console's templates (Jinja2, escaping everything), with times in the reader's zone."""

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import jinja2
from starlette.requests import Request
from starlette.responses import HTMLResponse

from pipeline.rules.money import currencies
from schema.user import UserSession
from workers.console.navigation import links_of

if TYPE_CHECKING:
    from workers.console.console_routes import ConsoleRequest

#: set by the browser from its own settings
_ZONE_COOKIE = "postroad_zone"
#: characters; the longest IANA name has 32
_LONGEST_ZONE = 64


def reader_zone(request: Request, session: UserSession | None) -> str:
    """Return the time zone that the user chose, else the browser's, else UTC."""
    chosen = session.user.time_zone if session else None
    for name in (chosen, request.cookies.get(_ZONE_COOKIE)):
        if name and len(name) <= _LONGEST_ZONE and _zone(name) is not None:
            return name
    return "UTC"


# names come in cookies
@lru_cache(maxsize=1000)
def _zone(name: str) -> ZoneInfo | None:
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, KeyError):
        return None


class Templates:
    """The templates of the console."""

    def __init__(self) -> None:
        """Set up the environment; templates are compiled when they are first used."""
        self._environment = jinja2.Environment(
            loader=jinja2.PackageLoader("workers.console"),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.filters.update(
            time=_time, ago=_ago, count=_count, duration=_duration, money=_money, words=_words
        )
        self._environment.globals["static"] = static_url

    def response(self, asked: "ConsoleRequest", template: str, values: Mapping[str, Any], status: int) -> HTMLResponse:
        """Return a rendered template as a response."""
        session = asked.session
        text = self._environment.get_template(template).render(
            session=session,
            user=session.user if session else None,
            csrf_token=session.csrf_token if session else "",
            links=links_of(session) if session else [],
            here=asked.http.url.path,
            notice=asked.sealed_words("notice"),
            zone=asked.zone,
            now=asked.rt.now(),
            **values,
        )
        return HTMLResponse(text, status)


@cache
def static_url(name: str) -> str:
    """Return the URL of a static file, which changes with its content."""
    content = files("workers.console").joinpath("static", name).read_bytes()
    return f"/static/{name}?{hashlib.sha256(content).hexdigest()[:12]}"


@jinja2.pass_context
def _time(context: jinja2.runtime.Context, at: datetime | None, seconds: bool = False) -> str:
    """Return a time in the reader's zone; "" for None."""
    if at is None:
        return ""
    local = at.astimezone(_zone(context["zone"]) or UTC)
    return local.strftime("%Y-%m-%d %H:%M:%S" if seconds else "%Y-%m-%d %H:%M")


@jinja2.pass_context
def _ago(context: jinja2.runtime.Context, at: datetime | None) -> str:
    """Return how long ago a time was, or in how long it will be."""
    if at is None:
        return "never"
    passed = context["now"] - at
    return f"{_duration(passed)} ago" if passed >= timedelta() else f"in {_duration(-passed)}"


def _duration(length: timedelta | float | None) -> str:
    """Return a duration in its two largest units."""
    if length is None:
        return ""
    seconds = int(length.total_seconds() if isinstance(length, timedelta) else length)
    if seconds < 60:
        return f"{seconds} s"
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if minutes < 60:
        return f"{minutes} min" + (f" {seconds % 60} s" if minutes < 10 and seconds % 60 else "")
    if hours < 48:
        return f"{hours} h" + (f" {minutes % 60} min" if minutes % 60 else "")
    return f"{days} days"


def _count(number: int | float | None) -> str:
    """Return a number with thin spaces between thousands; "" for None."""
    return "" if number is None else f"{number:,}".replace(",", "\u202f")


def _money(minor: int | None, currency: str) -> str:
    """Return an amount of minor units: `12.50 EUR`; "" for None."""
    if minor is None:
        return ""
    return currencies.spell(minor, currency).replace(",", "\u202f")


def _words(value: object) -> str:
    """Return a word of our vocabulary as people read it: `in doubt` for `in_doubt`."""
    return str(value).replace("_", " ")
