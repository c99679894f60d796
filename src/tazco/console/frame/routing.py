"""Pages and what stands before each: the session, the gate, the origin of forms; and what a refusal looks like to a person."""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final
from urllib.parse import urlencode

import structlog
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from tazco.console.frame.forms import fields_of, refuse_foreign
from tazco.console.frame.live import Watch, fingerprint, stream
from tazco.console.frame.sessions import Session, Sessions
from tazco.console.frame.visit import HOME, Visit, cookie
from tazco.kernel.errors import AccountDisabled, Forbidden, Refused
from tazco.platform.aws import AwsError, AwsUnreachable
from tazco.platform.caller import Caller
from tazco.platform.http.call import Call
from tazco.platform.http.edge import exchange_of
from tazco.platform.http.errors import RouteNotFound, Unexpected, as_refusal, retry_after, status_of
from tazco.platform.http.gate import require_admin
from tazco.platform.http.routing import with_opaque_ids
from tazco.platform.identity import InvalidToken, TokenExpired
from tazco.platform.user_pool import SignedOut

log = structlog.get_logger()

PREFIX: Final = "/console"
SIGN_IN: Final = "/console/sign-in"
SESSION_COOKIE: Final = "tazco-console"
SECURE_SESSION_COOKIE: Final = "__Host-tazco-console"
BY_ITSELF: Final = "tazco-by-itself"
"""The header of requests that no operator made: a page renews itself. They keep no session alive."""

CONFIRMED_SECONDS: Final = 120
"""So long what the pool said of an operator counts: whoever leaves the group or is disabled there is out after it."""

RENEWED_BEFORE_SECONDS: Final = 60
HEADERS: Final = {"Cache-Control": "no-store", "X-Frame-Options": "DENY", "Referrer-Policy": "same-origin"}
"""Where they differ from those of the API. Without a referrer of its own a browser would send forms with the origin `null`."""

Handler = Callable[[Visit], Awaitable[Response]]


@dataclass(slots=True)
class Pages:
    """The pages of one module."""

    routes: list[Route] = field(default_factory=list)

    def get(self, path: str, *, watch: Watch | None = None) -> Callable[[Handler], Handler]:
        """A page for operators. `watch` tells what it shows in short: when that changes the open page renews itself."""

        def register(handler: Handler) -> Handler:
            if watch is None:
                self._add("GET", path, handler, guarded(handler))
            else:
                self._add("GET", path, handler, guarded(renewing(handler, watch)))
                self._add("GET", f"/live{path}", handler, guarded(lambda visit: stream(visit, watch, _alive)))
            return handler

        return register

    def post(self, path: str) -> Callable[[Handler], Handler]:
        """What a form of an operator's page does."""
        return self._register("POST", path, guarded)

    def open_get(self, path: str) -> Callable[[Handler], Handler]:
        """A page for everybody."""
        return self._register("GET", path, unguarded)

    def open_post(self, path: str) -> Callable[[Handler], Handler]:
        """A form for everybody."""
        return self._register("POST", path, unguarded)

    def _register(self, method: str, path: str, stand_before: Callable[[Handler], Handler]) -> Callable[[Handler], Handler]:
        def register(handler: Handler) -> Handler:
            self._add(method, path, handler, stand_before(handler))
            return handler

        return register

    def _add(self, method: str, path: str, handler: Handler, stood_before: Handler) -> None:
        async def endpoint(request: Request) -> Response:
            return await _answered(Visit(Call(request, request.app.state.services, 0), form_token=""), stood_before)

        self.routes.append(Route(PREFIX + with_opaque_ids(path), endpoint, methods=[method], name=handler.__name__))


def renewing(handler: Handler, watch: Watch) -> Handler:
    """The handler of a page that renews itself; what was there before it was drawn is what the stream compares with."""

    async def told(visit: Visit) -> Response:
        visit.seen = fingerprint(await watch(visit))
        return await handler(visit)

    return told


async def no_page(visit: Visit) -> Response:
    """Nothing is served there."""
    raise RouteNotFound(visit.call.request.method, visit.path)


async def _answered(visit: Visit, handler: Handler) -> Response:
    """The page, or the refusal as a page; a bug is logged once, here."""
    exchange = exchange_of(visit.call.request.scope)
    exchange.headers.pop("Access-Control-Allow-Origin", None)
    exchange.headers.update(HEADERS)
    try:
        return await handler(visit)
    except Refused as refusal:
        return refused(visit, refusal)
    except Exception as error:
        refusal_of_dependency = as_refusal(error)
        if refusal_of_dependency is None:
            log.exception("console.unexpected")
            return refused(visit, Unexpected("Something went wrong on our side. Quote the request id when you ask about it."))
        log.warning("console.dependency", error=str(error))
        return refused(visit, refusal_of_dependency)


def refused(visit: Visit, refusal: Refused) -> Response:
    """A refusal as a page of its own."""
    exchange = exchange_of(visit.call.request.scope)
    exchange.headers.update(retry_after(refusal))
    visit.seen = None
    return visit.page("error.html", http_status=status_of(refusal), refusal=refusal, request_id=exchange.meta.request_id)


def sessions_of(visit: Visit) -> Sessions:
    """The sessions of this deployment."""
    return Sessions(visit.database, timedelta(minutes=visit.services.settings.console_idle_minutes))


def session_cookie(visit: Visit, value: str) -> str:
    """The cookie of a session; an empty value deletes it. Production sends it over TLS only, and only to this very host."""
    secure = visit.services.settings.production
    name = SECURE_SESSION_COOKIE if secure else SESSION_COOKIE
    return cookie(name, value, secure=secure, seconds=None if value else 0)


def session_token(visit: Visit) -> str:
    """The session that the browser names; empty if none."""
    return visit.cookies.get(SECURE_SESSION_COOKIE if visit.services.settings.production else SESSION_COOKIE, "")


def unguarded(handler: Handler) -> Handler:
    """Nothing stands before it; the handler looks at forms itself."""
    return handler


def guarded(handler: Handler) -> Handler:
    """Only for an operator with a session; forms only from our own pages."""

    async def admitted(visit: Visit) -> Response:
        sessions, token = sessions_of(visit), session_token(visit)
        session = await sessions.find(token, visit.now) if token else None
        if session is None or "id_token" not in session.content:
            return _to_sign_in(visit, ended=bool(token))
        try:
            visit.session, visit.known_caller = await _admit(visit, sessions, session)
        except (SignedOut, InvalidToken, TokenExpired, AccountDisabled, Forbidden):
            await sessions.end(session)
            return _to_sign_in(visit, ended=True)
        visit.form_token = session.form_token
        if visit.call.request.method == "POST":
            visit.fields = fields_of(await visit.call.raw_body(visit.services.settings.max_body_bytes))
            refuse_foreign(visit.call.request, visit.fields, session.form_token)
        if not _by_itself(visit):
            visit.session = await sessions.touch(visit.session, visit.now)
        return await handler(visit)

    return admitted


async def _admit(visit: Visit, sessions: Sessions, session: Session) -> tuple[Session, Caller]:
    """Past the gate of the API, but for its limits: those are the API's, and a page that renews itself must not use them up."""
    session = await _confirmed(visit, sessions, session)
    return session, await admit(visit, session.content["id_token"])


async def _confirmed(visit: Visit, sessions: Sessions, session: Session) -> Session:
    """Ask the pool every few minutes whether the operator is still one, and before the ID token ends.

    While the pool does not answer pages can still be read, as long as the token is good; nothing can be done.
    """
    token = await visit.services.gate.verifier.verify(f"Bearer {session.content['id_token']}", expired_too=True)
    now = visit.now.timestamp()
    ends = token.expires_at - now < RENEWED_BEFORE_SECONDS
    asks = not _by_itself(visit) and now - session.content.get("confirmed_at", 0) > CONFIRMED_SECONDS
    if not ends and not asks:
        return session
    try:
        tokens = await visit.services.user_pool.renew(session.content["refresh_token"])
    except (AwsError, AwsUnreachable):
        if ends or visit.call.request.method == "POST":
            raise
        return session
    renewed = {"id_token": tokens.id_token, "refresh_token": tokens.refresh_token, "confirmed_at": now}
    return await sessions.refill(session, {**session.content, **renewed})


async def admit(visit: Visit, id_token: str) -> Caller:
    """The operator of a token; refuse anybody else."""
    gate = visit.services.gate
    caller = await gate.recognise(await gate.verifier.verify(f"Bearer {id_token}"))
    require_admin(caller)
    return caller


async def _alive(visit: Visit) -> bool:
    """Whether the session of a visit is still there."""
    assert visit.session is not None
    return await sessions_of(visit).find(visit.session.token, visit.now) is not None


def _by_itself(visit: Visit) -> bool:
    """A page renews itself; no operator did anything."""
    return BY_ITSELF in visit.call.request.headers or visit.path.startswith(f"{PREFIX}/live/")


def _to_sign_in(visit: Visit, *, ended: bool) -> Response:
    """To the sign-in, and from there back; a page that renews itself is told to go there."""
    if _by_itself(visit):
        return Response(status_code=401)
    request = visit.call.request
    query = request.url.query
    wanted = f"{visit.path}?{query}" if query else visit.path
    back = {"next": wanted} if request.method == "GET" and wanted != HOME else {}
    place = urlencode({**back, **({"ended": "1"} if ended else {})})
    return RedirectResponse(f"{SIGN_IN}?{place}" if place else SIGN_IN, status_code=303)


def safe_next(wanted: str) -> str:
    """Where to go after the sign-in: a page of the console, never another site."""
    inside = re.fullmatch(r"/console/[A-Za-z0-9._~%/?=&+:-]*", wanted) and not wanted.startswith(SIGN_IN) and "//" not in wanted
    return wanted if inside else HOME
