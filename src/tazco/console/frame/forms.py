"""Forms as browsers send them: read within the limit, and only from our own pages."""

import hmac
from collections.abc import Mapping
from urllib.parse import parse_qsl, urlsplit

from starlette.requests import Request

from tazco.kernel.errors import Forbidden, Invalid

FIELDS_MAX = 100
TOKEN_FIELD = "form"  # noqa: S105 - the name of a field


class ForeignForm(Forbidden):
    """The form does not come from a page that we gave to this browser."""

    def __init__(self) -> None:
        super().__init__("This form is not from a page of yours, or the page is too old. Load the page again and repeat it.")


def fields_of(raw: bytes) -> Mapping[str, str]:
    """The fields of a form; of several with one name the first. Refuse what is no form."""
    try:
        pairs = parse_qsl(
            raw.decode("utf-8"), keep_blank_values=True, strict_parsing=bool(raw), errors="strict", max_num_fields=FIELDS_MAX
        )
    except (ValueError, UnicodeDecodeError):
        raise Invalid("The form cannot be read. Load the page again and repeat it.") from None
    fields: dict[str, str] = {}
    for name, value in pairs:
        fields.setdefault(name, value)
    return fields


def refuse_foreign(request: Request, fields: Mapping[str, str], expected: str) -> None:
    """Refuse a form from elsewhere: by what the browser says of its origin, and by the token that only our pages carry."""
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    if site not in (None, "same-origin"):
        raise ForeignForm
    if origin is not None and urlsplit(origin).netloc != request.headers.get("host"):
        raise ForeignForm
    if not hmac.compare_digest(fields.get(TOKEN_FIELD, "").encode(), expected.encode()):
        raise ForeignForm
