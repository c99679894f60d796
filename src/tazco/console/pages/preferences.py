"""How an operator wants to see the console: language, and light or dark. Kept in the browser."""

from starlette.responses import Response

from tazco.console.frame.forms import fields_of
from tazco.console.frame.routing import Pages, safe_next
from tazco.console.frame.visit import LANGUAGE_COOKIE, PREFERENCE_SECONDS, THEME_COOKIE, THEMES, Visit, cookie
from tazco.platform.policy import LOCALES

FORM_BYTES_MAX = 4_096
CHOICES = {"language": (LANGUAGE_COOKIE, LOCALES), "theme": (THEME_COOKIE, THEMES)}

pages = Pages()


@pages.open_post("/preferences")
async def choose(visit: Visit) -> Response:
    """Remember the choice and go back; it needs no session, and a foreign form could change nothing but colours and words."""
    fields = fields_of(await visit.call.raw_body(FORM_BYTES_MAX))
    response = visit.to(safe_next(fields.get("back", "")) if "sign-in" not in fields.get("back", "") else "/console/sign-in")
    for name, (stored_as, values) in CHOICES.items():
        if fields.get(name) in values:
            secure = visit.services.settings.production
            response.headers.append("Set-Cookie", cookie(stored_as, fields[name], secure=secure, seconds=PREFERENCE_SECONDS))
    return response
