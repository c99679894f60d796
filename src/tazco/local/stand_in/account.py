"""The account that Tazco has at both providers: the same secrets from the other side."""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

META: Final = "TAZCO_WHATSAPP_META_"
WPP: Final = "TAZCO_WPP_"
SESSION: Final = "tazco-financial-api"


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Names and secrets. A provider whose secrets are not given lets nobody in and sends unsigned webhooks."""

    phone_number_id: str | None = None
    access_token: str | None = field(default=None, repr=False)
    app_secret: str | None = field(default=None, repr=False)
    verify_token: str | None = field(default=None, repr=False)
    wpp_secret_key: str | None = field(default=None, repr=False)
    wpp_webhook_secret: str | None = field(default=None, repr=False)
    wpp_session: str = SESSION

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "Account":
        """What the API is configured with; of several app secrets the first signs."""
        secrets = [part.strip() for part in environment.get(META + "APP_SECRETS", "").split(",") if part.strip()]
        return cls(
            phone_number_id=environment.get(META + "PHONE_NUMBER_ID"),
            access_token=environment.get(META + "ACCESS_TOKEN"),
            app_secret=secrets[0] if secrets else None,
            verify_token=environment.get(META + "VERIFY_TOKEN"),
            wpp_secret_key=environment.get(WPP + "SECRET_KEY"),
            wpp_webhook_secret=environment.get(WPP + "WEBHOOK_SECRET"),
            wpp_session=environment.get(WPP + "SESSION") or SESSION,
        )


def same(given: str, secret: str | None) -> bool:
    """Whether a secret is the right one; none is right where none is known."""
    return secret is not None and hmac.compare_digest(given.encode(), secret.encode())
