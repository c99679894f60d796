"""The settings choose the messenger."""

from typing import Any

import pytest
from pydantic import SecretStr

from tazco.kernel.clock import system_clock
from tazco.platform.settings import BadSettings, Settings
from tazco.platform.whatsapp.choosing import messenger_for
from tazco.platform.whatsapp.messages import Messenger
from tazco.platform.whatsapp.meta import MetaMessenger
from tazco.platform.whatsapp.wppconnect import WppMessenger

META = {
    "whatsapp_meta_phone_number_id": "123456",
    "whatsapp_meta_access_token": SecretStr("token"),
    "whatsapp_meta_app_secrets": (SecretStr("app"),),
    "whatsapp_meta_verify_token": SecretStr("verify"),
}
WPP = {
    "whatsapp_provider": "wppconnect",
    "wpp_base_url": "http://127.0.0.1:21465",
    "wpp_secret_key": SecretStr("key"),
    "wpp_webhook_secret": SecretStr("hook"),
}


def chosen(values: dict[str, Any]) -> Messenger | None:
    needed: dict[str, Any] = {"cognito_user_pool_id": "p", "cognito_client_ids": ("c",), "cursor_secrets": (SecretStr("s" * 32),)}
    return messenger_for(Settings(**needed, **values), system_clock)


async def test_each_provider_has_its_messenger() -> None:
    meta, wpp = chosen(META), chosen(WPP)
    assert isinstance(meta, MetaMessenger)
    assert isinstance(wpp, WppMessenger)
    assert (meta.base_url, meta.api_version, meta.phone_number_id, meta.access_token) == (
        "https://graph.facebook.com",
        "v25.0",
        "123456",
        "token",
    )
    assert (wpp.base_url, wpp.session, wpp.secret_key) == ("http://127.0.0.1:21465", "tazco-financial-api", "key")
    await meta.close()
    await wpp.close()


@pytest.mark.parametrize("name", META)
def test_without_all_credentials_of_the_chosen_provider_there_is_no_messenger(name: str) -> None:
    assert chosen({key: value for key, value in META.items() if key != name}) is None
    assert chosen({**META, "whatsapp_provider": "wppconnect"}) is None


@pytest.mark.parametrize("url", ["graph.facebook.com", "ftp://graph.facebook.com", "https://"])
def test_an_address_that_is_none_refuses_to_start_and_names_the_variable(url: str) -> None:
    with pytest.raises(BadSettings, match="TAZCO_WHATSAPP_META_BASE_URL"):
        chosen({**META, "whatsapp_meta_base_url": url})
    with pytest.raises(BadSettings, match="TAZCO_WPP_BASE_URL"):
        chosen({**WPP, "wpp_base_url": url})
