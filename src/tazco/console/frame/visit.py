"""A visit: one request of a browser as a page sees it."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from http import HTTPStatus
from http.cookies import SimpleCookie
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode

from starlette.responses import HTMLResponse, RedirectResponse, Response

from tazco.console.frame.api_calls import Reply, call_api
from tazco.console.frame.drawing import drawn
from tazco.console.frame.sessions import Session
from tazco.console.frame.texts import Texts, preferred
from tazco.platform.caller import Caller
from tazco.platform.database import Database
from tazco.platform.http.call import Call
from tazco.platform.policy import LOCALES, Policy
from tazco.platform.services import Services

THEMES: Final = ("auto", "light", "dark")
LANGUAGE_COOKIE: Final = "tazco-console-language"
THEME_COOKIE: Final = "tazco-console-theme"
NONCE_BYTES: Final = 16
HOME: Final = "/console/"
PAGE_ROWS: Final = 25
PREFERENCE_SECONDS: Final = 365 * 86_400


@dataclass(frozen=True, slots=True)
class Nav:
    """One entry of the menu; `key` together with `g` goes there."""

    path: str
    name: str
    key: str


NAV: Final = (
    Nav("/console/", "Home", "h"),
    Nav("/console/requests", "Requests", "r"),
    Nav("/console/people", "People", "p"),
    Nav("/console/timeline", "Timeline", "t"),
    Nav("/console/events", "Events", "e"),
    Nav("/console/notifications", "Notifications", "n"),
    Nav("/console/audit", "Audit", "a"),
    Nav("/console/policy", "Policy", "o"),
)
PHONE: Final = Nav("/console/phone", "Phone", "w")


@dataclass(slots=True)
class Visit:
    """One request. `session` and `caller` are there on every page but those of signing in.

    `seen` is the fingerprint of what a page shows that renews itself.
    """

    call: Call
    form_token: str
    session: Session | None = None
    known_caller: Caller | None = None
    fields: Mapping[str, str] = field(default_factory=dict)
    seen: str | None = None
    nonce: str = field(default_factory=lambda: secrets.token_urlsafe(NONCE_BYTES))

    @property
    def services(self) -> Services:
        """The parts of the running program."""
        return self.call.services

    @property
    def database(self) -> Database:
        """The tables."""
        return self.call.services.database

    @property
    def policy(self) -> Policy:
        """The policy in force."""
        return self.call.services.policies.current()

    @property
    def now(self) -> datetime:
        """The instant of this visit."""
        return self.call.services.clock()

    @property
    def caller(self) -> Caller:
        """The operator."""
        assert self.known_caller is not None, "only pages behind the sign-in ask"
        return self.known_caller

    @property
    def cookies(self) -> Mapping[str, str]:
        """The cookies that came along."""
        return self.call.request.cookies

    @property
    def texts(self) -> Texts:
        """How this operator reads: the chosen language, else the browser's, else the policy's."""
        chosen = self.cookies.get(LANGUAGE_COOKIE)
        accepted = self.call.request.headers.get("accept-language", "")
        locale = chosen if chosen in LOCALES else preferred(accepted, self.policy.locale)
        return Texts(locale=locale, currency=self.policy.currency, zone=self.policy.time_zone)

    @property
    def path(self) -> str:
        """The path that the browser asked for, still escaped."""
        return str(self.call.request.scope["path"])

    def given(self, name: str) -> str:
        """A query parameter without the blanks around it; empty if it is not there."""
        return (self.call.query(name) or "").strip()

    def key(self) -> str:
        """The idempotency key of the submitted form: sent twice, it acts once."""
        return self.fields.get("key", "")

    async def api(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Reply:
        """A call of the API as this operator, under the key of the form."""
        assert self.session is not None, "only pages behind the sign-in call"
        return await call_api(self.call.request, self.session.content["id_token"], method, path, body, key=self.key())

    def page(self, template: str, *, http_status: int = 200, **context: Any) -> Response:
        """A page."""
        unknown = http_status == HTTPStatus.SERVICE_UNAVAILABLE  # what became of the form: the same key finds out
        keys = {"new_key": lambda: (unknown and self.key()) or str(self.services.new_id())}
        return HTMLResponse(
            drawn(template, **self._frame(), **keys, **context), http_status, {"Content-Security-Policy": self._policy()}
        )

    def to(self, path: str, **query: str) -> Response:
        """Elsewhere, after something was done; a page that is loaded again then does not do it twice."""
        return RedirectResponse(f"{path}?{urlencode(query)}" if query else path, status_code=303)

    def pages_after(self, binding: Sequence[Any], position: Sequence[str] | None, **filters: str) -> str | None:
        """The address of the next page of a list, if there is one."""
        if position is None:
            return None
        kept = {name: value for name, value in filters.items() if value}
        return f"{self.path}?{urlencode({**kept, 'cursor': self.services.cursors.write(self._bound(binding), position)})}"

    @property
    def first_page(self) -> str | None:
        """The address of a list from its beginning, for a page further on."""
        if not self.call.query("cursor"):
            return None
        kept = [(name, value) for name, value in parse_qsl(self.call.request.url.query) if name != "cursor"]
        return f"{self.path}?{urlencode(kept)}"

    def position(self, binding: Sequence[Any]) -> tuple[str, ...] | None:
        """Where the list goes on; refuse a cursor of another list."""
        return self.services.cursors.read(self._bound(binding), self.call.query("cursor"))

    def _bound(self, binding: Sequence[Any]) -> tuple[Any, ...]:
        return ("console", self.caller.actor_id, *binding)

    def _frame(self) -> dict[str, Any]:
        settings = self.services.settings
        theme = self.cookies.get(THEME_COOKIE, "")
        return {
            "_": self.texts,
            "visit": self,
            "now": self.now,
            "policy": self.policy,
            "theme": theme if theme in THEMES else THEMES[0],
            "themes": THEMES,
            "locales": LOCALES,
            "nav": (*NAV, PHONE) if settings.stand_in_url else NAV,
            "nonce": self.nonce,
            "form": self.form_token,
            "query": self.call.query,
        }

    def _policy(self) -> str:
        return (
            f"default-src 'none'; script-src 'nonce-{self.nonce}'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
            "font-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; report-uri /console/csp-reports"
        )


def cookie(name: str, value: str, *, secure: bool, seconds: int | None = None) -> str:
    """A cookie that only our own pages send back; it ends with the browser unless it has so many `seconds` (0 deletes it)."""
    made: SimpleCookie = SimpleCookie({name: value})
    made[name]["path"] = "/"
    made[name]["samesite"] = "Strict"
    made[name]["httponly"] = True
    if secure:
        made[name]["secure"] = True
    if seconds is not None:
        made[name]["max-age"] = str(seconds)
    return made[name].OutputString()
