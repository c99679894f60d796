"""Which provider carries the messages: the one that the settings name, if they hold its credentials."""

from pydantic import SecretStr

from tazco.kernel.clock import Clock
from tazco.platform.settings import BadSettings, Settings
from tazco.platform.whatsapp.messages import Messenger
from tazco.platform.whatsapp.meta import MetaMessenger
from tazco.platform.whatsapp.wppconnect import WppMessenger
from tazco.platform.wire import Address


def messenger_for(settings: Settings, clock: Clock) -> Messenger | None:
    """The messenger, to be closed by whoever asked; None while credentials are missing. Raise `BadSettings` for a bad address."""
    if settings.missing_whatsapp_credentials():
        return None
    if settings.whatsapp_provider == "meta":
        return MetaMessenger(
            base_url=_checked("TAZCO_WHATSAPP_META_BASE_URL", settings.whatsapp_meta_base_url),
            api_version=settings.whatsapp_meta_api_version,
            phone_number_id=settings.whatsapp_meta_phone_number_id or "",
            access_token=_shown(settings.whatsapp_meta_access_token),
        )
    return WppMessenger(
        base_url=_checked("TAZCO_WPP_BASE_URL", settings.wpp_base_url or ""),
        session=settings.wpp_session,
        secret_key=_shown(settings.wpp_secret_key),
        clock=clock,
    )


def _checked(variable: str, url: str) -> str:
    try:
        Address.of(url)
    except ValueError:
        raise BadSettings(f"{variable}: must be an http(s) URL, such as https://whatsapp.example.com") from None
    return url


def _shown(secret: SecretStr | None) -> str:
    return secret.get_secret_value() if secret else ""
