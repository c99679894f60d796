"""Signing in with the user pool, choosing the first password, signing out. Failures are counted by address and by account."""

import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from starlette.responses import Response

from tazco.console.frame.forms import ForeignForm, fields_of, refuse_foreign
from tazco.console.frame.routing import SIGN_IN, Pages, admit, safe_next, session_cookie, session_token, sessions_of
from tazco.console.frame.sessions import SIGN_IN_LIFE, Session, form_token
from tazco.console.frame.visit import Visit, cookie
from tazco.kernel.errors import Code, Forbidden, Invalid, Refused
from tazco.platform.http.edge import exchange_of
from tazco.platform.http.errors import retry_after, status_of
from tazco.platform.http.limits import spend
from tazco.platform.user_pool import NewPasswordWanted, Tokens, WrongCredentials

FORM_COOKIE: Final = "tazco-console-form"
FAILURES_PER_ADDRESS_MAX: Final = 20
FAILURES_PER_ACCOUNT_MAX: Final = 5
FAILURES_FROM_ANYWHERE_MAX: Final = 50
"""In a minute, each: of one address, of one account there, and of one account wherever from: high, or anybody could lock it out."""

EMAIL_CHARACTERS_MAX: Final = 254
PASSWORD_CHARACTERS_MAX: Final = 256
FORM_BYTES_MAX: Final = 8_192

pages = Pages()


class NoOperator(Forbidden):
    """The password is right, and the person may not work here."""

    def __init__(self) -> None:
        super().__init__("This account is not an operator's. Ask an administrator to put it into the group admin.")


@pages.open_get("/sign-in")
async def ask(visit: Visit) -> Response:
    """E-mail and password."""
    return _form(visit, "sign_in.html", refusal=None, email="")


@pages.open_post("/sign-in")
async def sign_in(visit: Visit) -> Response:
    """Try the password; a first one has to be changed before anything else."""
    fields = await _read(visit)
    email, password = fields.get("email", "").strip(), fields.get("password", "")
    try:
        _refuse_malformed(email, password)
        with _counted(visit, email):
            given = await visit.services.user_pool.sign_in(email, password)
    except Refused as refusal:
        return _form(visit, "sign_in.html", refusal=refusal, email=email[:EMAIL_CHARACTERS_MAX])
    if isinstance(given, NewPasswordWanted):
        half = await sessions_of(visit).start(
            {"username": given.username, "email": email, "pool_session": given.session, "next": safe_next(fields.get("next", ""))},
            visit.now,
            SIGN_IN_LIFE,
        )
        return _with_session(visit, visit.to(f"{SIGN_IN}/new-password"), half.token)
    return await _enter(visit, given, safe_next(fields.get("next", "")), email)


@pages.open_get("/sign-in/new-password")
async def ask_for_password(visit: Visit) -> Response:
    """The first password was given by an administrator."""
    half = await _half_signed_in(visit)
    if half is None:
        return visit.to(SIGN_IN, ended="1")
    return _form(visit, "new_password.html", refusal=None, username=half.content["email"])


@pages.open_post("/sign-in/new-password")
async def choose_password(visit: Visit) -> Response:
    """Give it to the pool, which judges it."""
    fields = await _read(visit)
    half = await _half_signed_in(visit)
    if half is None:
        return visit.to(SIGN_IN, ended="1")
    password, wanted = fields.get("password", ""), half.content
    challenge = NewPasswordWanted(username=wanted["username"], session=wanted["pool_session"])
    try:
        if password != fields.get("again", ""):
            raise Invalid("The two passwords differ. Type the same one twice.", field="again")
        if not password or len(password) > PASSWORD_CHARACTERS_MAX:
            raise Invalid(f"A password has 1 to {PASSWORD_CHARACTERS_MAX} characters.", field="password")
        given = await visit.services.user_pool.choose_password(challenge, password)
    except WrongCredentials:
        return visit.to(SIGN_IN, ended="1")
    except Refused as refusal:
        return _form(visit, "new_password.html", refusal=refusal, username=wanted["email"])
    await sessions_of(visit).end(half)
    return await _enter(visit, given, wanted["next"], wanted["email"])


@pages.post("/sign-out")
async def sign_out(visit: Visit) -> Response:
    """End the session here and at the pool."""
    assert visit.session is not None
    await sessions_of(visit).end(visit.session)
    await visit.services.user_pool.revoke(visit.session.content["refresh_token"])
    return _with_session(visit, visit.to(SIGN_IN, out="1"), "")


async def _enter(visit: Visit, tokens: Tokens, wanted: str, email: str) -> Response:
    """A session for an operator; what the sign-in page brought along is replaced."""
    try:
        caller = await admit(visit, tokens.id_token)
    except Refused as refusal:
        await visit.services.user_pool.revoke(tokens.refresh_token)
        told = NoOperator() if refusal.code is Code.FORBIDDEN else refusal
        return _form(visit, "sign_in.html", refusal=told, email=email)
    content = {
        "id_token": tokens.id_token,
        "refresh_token": tokens.refresh_token,
        "email": caller.email or email,
        "confirmed_at": visit.now.timestamp(),
    }
    await _leave(visit)
    session = await sessions_of(visit).start(content, visit.now)
    return _with_session(visit, visit.to(wanted), session.token)


async def _leave(visit: Visit) -> None:
    """End the session that the browser had before, if it had one."""
    token = session_token(visit)
    before = await sessions_of(visit).find(token, visit.now) if token else None
    if before is not None:
        await sessions_of(visit).end(before)
        if "refresh_token" in before.content:
            await visit.services.user_pool.revoke(before.content["refresh_token"])


async def _half_signed_in(visit: Visit) -> Session | None:
    token = session_token(visit)
    session = await sessions_of(visit).find(token, visit.now) if token else None
    return session if session is not None and "pool_session" in session.content else None


async def _read(visit: Visit) -> Mapping[str, str]:
    """The fields of a form that came from our own page to this browser."""
    fields = fields_of(await visit.call.raw_body(FORM_BYTES_MAX))
    secret = visit.cookies.get(_form_cookie(visit))
    if not secret:
        raise ForeignForm
    refuse_foreign(visit.call.request, fields, form_token(secret))
    return fields


def _form_cookie(visit: Visit) -> str:
    return f"__Host-{FORM_COOKIE}" if visit.services.settings.production else FORM_COOKIE


def _form(visit: Visit, template: str, *, refusal: Refused | None, **context: str) -> Response:
    """A form for somebody without a session: it is tied to the browser by a cookie of its own."""
    secret = visit.cookies.get(_form_cookie(visit)) or secrets.token_urlsafe(32)
    visit.form_token = form_token(secret)
    if refusal is not None:
        exchange_of(visit.call.request.scope).headers.update(retry_after(refusal))
    wanted = safe_next(visit.given("next"))
    response = visit.page(template, http_status=status_of(refusal) if refusal else 200, refusal=refusal, next=wanted, **context)
    response.headers.append("Set-Cookie", cookie(_form_cookie(visit), secret, secure=visit.services.settings.production))
    return response


def _with_session(visit: Visit, response: Response, token: str) -> Response:
    response.headers.append("Set-Cookie", session_cookie(visit, token))
    return response


def _refuse_malformed(email: str, password: str) -> None:
    """The pool knows people by other names too; here they have one, so that failures are counted in one place."""
    if "@" not in email or not 0 < len(email) <= EMAIL_CHARACTERS_MAX or not 0 < len(password) <= PASSWORD_CHARACTERS_MAX:
        raise WrongCredentials


@contextmanager
def _counted(visit: Visit, email: str) -> Iterator[None]:
    """Count the attempt before it is made, so that many at once cannot outrun the count; what did not fail is taken back."""
    window, headers = visit.services.gate.failures, exchange_of(visit.call.request.scope).headers
    address, account = visit.call.address, email.casefold()
    names = {
        f"console-address#{address}": FAILURES_PER_ADDRESS_MAX,
        f"console-account#{account}#{address}": FAILURES_PER_ACCOUNT_MAX,
        f"console-account#{account}": FAILURES_FROM_ANYWHERE_MAX,
    }
    for name, limit in names.items():
        spend(window, name, limit, headers)
    try:
        yield
    except WrongCredentials:
        raise
    except BaseException:
        _forgive(visit, names)
        raise
    _forgive(visit, names)


def _forgive(visit: Visit, names: Mapping[str, int]) -> None:
    for name in names:
        visit.services.gate.failures.forgive(name)
