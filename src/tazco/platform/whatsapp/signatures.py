"""Whether a webhook comes from whom it says it does: compared in constant time, and before anything of it is decoded."""

import hashlib
import hmac
from collections.abc import Iterable

from pydantic import SecretStr

from tazco.kernel.errors import Code, Forbidden, Refused, Unavailable


class SignatureMissing(Refused):
    """The webhook shows nothing that proves its sender."""

    code = Code.UNAUTHORIZED


class SignatureWrong(Refused):
    """What the webhook shows proves nothing: another secret, or other bytes."""

    code = Code.INVALID_SECRET


def check_signature(header: str | None, raw: bytes, secrets: Iterable[SecretStr]) -> None:
    """Check `X-Hub-Signature-256` over the raw bytes of the body with any of our app secrets, of which a rotation needs several.

    Raise `SignatureMissing`, `SignatureWrong`, or `Unavailable` where no secret is configured.
    """
    keys = [key for secret in secrets if (key := secret.get_secret_value().encode())]
    if not keys:
        raise _unconfigured("TAZCO_WHATSAPP_META_APP_SECRETS")
    if not header:
        raise SignatureMissing("The X-Hub-Signature-256 header is missing.")
    if not any(_same(header, "sha256=" + hmac.new(key, raw, hashlib.sha256).hexdigest()) for key in keys):
        raise SignatureWrong("The signature does not fit the body.")


def check_secret(given: str | None, expected: SecretStr | None) -> None:
    """Check the secret that WPPConnect sends along; raises as `check_signature` does."""
    if expected is None or not expected.get_secret_value():
        raise _unconfigured("TAZCO_WPP_WEBHOOK_SECRET")
    if not given:
        raise SignatureMissing("The webhook secret is missing.")
    if not _same(given, expected.get_secret_value()):
        raise SignatureWrong("The webhook secret is wrong.")


def answer_handshake(mode: str | None, token: str | None, challenge: str | None, expected: SecretStr | None) -> str:
    """The text that proves to Meta that this address is ours; raise `Forbidden`, or `Unavailable` where no token is configured."""
    if expected is None or not expected.get_secret_value():
        raise _unconfigured("TAZCO_WHATSAPP_META_VERIFY_TOKEN")
    if not _same(token or "", expected.get_secret_value()) or mode != "subscribe":
        raise Forbidden("hub.mode or hub.verify_token is not what it should be.")
    return challenge or ""


def _same(given: str, expected: str) -> bool:
    """Bytes, because texts with other than ASCII characters cannot be compared in constant time."""
    return hmac.compare_digest(given.encode("utf-8", "replace"), expected.encode("utf-8", "replace"))


def _unconfigured(variable: str) -> Unavailable:
    return Unavailable(f"The webhook is not configured: {variable} is not set.", retry_after=60)
