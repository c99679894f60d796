"""Lists: how many rows a page has, and cursors that nobody else can make, use or bend."""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson

from tazco.kernel.errors import Invalid
from tazco.platform.jsontext import encode

LIMIT_DEFAULT: Final = 20
LIMIT_MAX: Final = 100
VERSION: Final = "v1"
CURSOR_CHARACTERS_MAX: Final = 4_096
SIGNATURE_BYTES: Final = 32


def page_size(text: str | None) -> int:
    """How many rows: a leading integer counts, unparsable or 0 is 20, negative is 1, more than 100 is 100."""
    found = re.match(r"\s*([+-]?)0*(\d{1,18})", text or "", re.ASCII)
    number = int(found[1] + found[2]) if found else 0
    return max(1, min(number, LIMIT_MAX)) if number else LIMIT_DEFAULT


@dataclass(frozen=True, slots=True)
class Cursors:
    """Signs positions with the first secret, accepts those signed with any.

    A cursor is bound to `binding`: caller, route, path ids, filters and sort. It holds the position after which to go on, in
    clear text: the signature protects, nothing in it is secret from its owner.
    """

    secrets: tuple[bytes, ...]

    def write(self, binding: Sequence[Any], position: Sequence[str]) -> str:
        """The cursor for going on after `position`."""
        payload = encode(list(position))
        signature = self._sign(self.secrets[0], binding, payload)
        return f"{VERSION}.{base64.urlsafe_b64encode(signature + payload).decode().rstrip('=')}"

    def read(self, binding: Sequence[Any], cursor: str | None) -> tuple[str, ...] | None:
        """The position of a cursor, None for the first page; refuse a cursor of another query or another hand."""
        if not cursor:
            return None
        version, _, text = cursor.partition(".")
        if version != VERSION or len(cursor) > CURSOR_CHARACTERS_MAX or not re.fullmatch(r"[A-Za-z0-9_-]+", text, re.ASCII):
            raise _foreign()
        try:
            raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        except (binascii.Error, ValueError):
            raise _foreign() from None
        if base64.urlsafe_b64encode(raw).decode().rstrip("=") != text:
            raise _foreign()
        signature, payload = raw[:SIGNATURE_BYTES], raw[SIGNATURE_BYTES:]
        if not any(hmac.compare_digest(signature, self._sign(secret, binding, payload)) for secret in self.secrets):
            raise _foreign()
        return tuple(orjson.loads(payload))

    def _sign(self, secret: bytes, binding: Sequence[Any], payload: bytes) -> bytes:
        return hmac.digest(secret, encode([VERSION, *binding]) + b"\n" + payload, hashlib.sha256)


def _foreign() -> Invalid:
    return Invalid("The cursor does not belong to this list. Leave it out to start again.", field="cursor")
