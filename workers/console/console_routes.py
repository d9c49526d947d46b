"""Routes of the console: path, required right and handler of a page, and the request that a handler gets."""

import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import quote, urlencode
from zoneinfo import ZoneInfo

from starlette.datastructures import FormData, QueryParams, UploadFile
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from pipeline.errors import InvalidInput, NotFound
from pipeline.rules.money import currencies
from pipeline.runtime import Runtime
from schema.user import UserSession
from schema.vocabulary import Right
from workers.console.rendering import Templates

#: parameters of a redirect that the next page shows as the console's own words; one at a time
SEALED_WORDS = frozenset({"notice", "problem"})


@dataclass(frozen=True, slots=True)
class ConsoleRequest:
    """A request for a page, whose session and right were checked."""

    rt: Runtime
    templates: Templates
    http: Request
    #: None on pages that need no session
    session: UserSession | None
    #: the form that was posted; empty for GET
    form: FormData
    #: the reader's time zone, an IANA name
    zone: str

    @property
    def path(self) -> Mapping[str, str]:
        """Return the parameters in the path."""
        return self.http.path_params

    @property
    def query(self) -> QueryParams:
        """Return the parameters after the `?`."""
        return self.http.query_params

    @property
    def user(self) -> UserSession:
        """Return the session of a page that requires one."""
        assert self.session
        return self.session

    @property
    def account(self) -> str | None:
        """Return the account that this user is limited to; None: an operator, who sees all."""
        return self.user.user.account

    def may(self, right: Right) -> bool:
        """Return whether the user has this right."""
        return self.session is not None and right in self.session.user.rights

    def text(self, name: str) -> str:
        """Return a field of the form without surrounding spaces; "" where it is missing or a file."""
        value = self.form.get(name, "")
        return value.strip() if isinstance(value, str) else ""

    def minor(self, name: str, currency: str) -> int:
        """Return an amount of the form, written as `12.50`, in minor units; InvalidInput."""
        return currencies.minor(self.text(name), currency)

    def file(self, name: str) -> UploadFile | None:
        """Return an uploaded file; None where none was chosen."""
        value = self.form.get(name)
        return value if isinstance(value, UploadFile) and value.filename else None

    def moment(self, name: str, words: str) -> datetime | None:
        """Return the time that a field of this name holds, in the reader's zone; None: it is empty. InvalidInput."""
        if not words:
            return None
        try:
            return datetime.fromisoformat(words).replace(tzinfo=ZoneInfo(self.zone))
        except ValueError:
            raise InvalidInput(f"{name}: write a time as 2026-11-30T18:00") from None

    def page(self, template: str, status: int = 200, /, **values: Any) -> Response:
        """Return a rendered template."""
        return self.templates.response(self, template, values, status)

    def redirect(self, path: str, /, **query: str) -> Response:
        """Return a redirect to another page after a form was handled; `notice` appears there, to this session alone."""
        for name in query.keys() & SEALED_WORDS:
            query |= {"seal": self._seal(name, query[name])}
        written = f"?{urlencode(query)}" if query else ""
        return RedirectResponse(quote(path, safe="/") + written, status_code=303)

    def sealed_words(self, name: str) -> str:
        """Return a parameter of `SEALED_WORDS` that a redirect of this session brought; "": there is none.

        Others could make links that have the console say what they please.
        """
        words, seal = self.query.get(name, ""), self.query.get("seal", "")
        return words if self.session and hmac.compare_digest(self._seal(name, words).encode(), seal.encode()) else ""

    def _seal(self, name: str, words: str) -> str:
        return hmac.new(self.user.csrf_token.encode(), f"{name}={words}".encode(), "sha256").hexdigest()[:32]

    def redirect_to(self, target: str) -> Response:
        """Return a redirect to a checked path with its query."""
        return RedirectResponse(target, status_code=303)

    def own(self, account: str | None) -> None:
        """Raise NotFound where something belongs to an account that this user may not see."""
        if self.account is not None and account != self.account:
            raise NotFound("there is no such page")


Handler = Callable[[ConsoleRequest], Response]


@dataclass(frozen=True, slots=True)
class ConsoleRoute:
    """A path of the console and its handler, which runs in a thread."""

    method: str
    #: `/messages/{id}`, as Starlette writes it
    path: str
    handler: Handler
    #: None: no session is needed
    right: Right | None
    #: it is about the installation: users of an account do not see it
    is_for_operators: bool = False
    #: most bytes of a posted form
    limit: int = field(default=1 << 20)
