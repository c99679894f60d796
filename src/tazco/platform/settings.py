"""Settings: the environment, read once at start. A missing or contradictory value refuses to start and names the variable."""

from functools import cached_property
from pathlib import Path
from typing import Annotated, Final, Literal, TypeVar
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from tazco.platform.aws import TARGETS
from tazco.platform.cloud import Cloud

CURSOR_SECRET_BYTES_MIN: Final = 32
PREFIX: Final = "TAZCO_"
DOTENV: Final = Path(".env")

Texts = Annotated[tuple[str, ...], NoDecode]
Secrets = Annotated[tuple[SecretStr, ...], NoDecode]


class BadSettings(Exception):
    """One or more environment variables are missing or wrong; the message names each with the cure."""


class Names(BaseSettings):
    """Under which names the resources stand in the account; all that provisioning needs to know."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_file=DOTENV, extra="ignore", frozen=True, hide_input_in_errors=True, use_attribute_docstrings=True
    )

    table_prefix: str = Field(default="tazco-", pattern=r"^[A-Za-z0-9_.-]{0,100}$")
    """Before the name of every table, queue and rule."""

    ssm_prefix: str = Field(default="/tazco/financial-api", pattern=r"^(/[A-Za-z0-9_.-]+){1,10}$")
    """Path below which the policy parameters stand."""

    event_bus: str = Field(default="tazco-financial-events", pattern=r"^[/.\-_A-Za-z0-9]{1,256}$")
    """Name of the bus."""

    event_source: str = Field(default="tazco.financial-api", pattern=r"^[/.\-_A-Za-z0-9]{1,256}$")
    """`Source` of every event."""


class Settings(Names):
    """What is fixed while the program runs. Lists are comma-separated."""

    env: Literal["development", "production"] = "development"
    """`production` refuses endpoint overrides, `*` as an origin and keys that do not come over https."""

    host: str = "127.0.0.1"
    """Address to listen on."""

    port: int = Field(default=3000, ge=1, le=65535)
    """Port to listen on."""

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """How much is logged; never tokens, secrets, bodies or whole phone numbers."""

    policy_refresh_seconds: float = Field(default=30, ge=1, le=3600)
    """How often the policy is read, give or take a fifth."""

    cognito_user_pool_id: str = Field(min_length=1)
    """The pool whose tokens count."""

    cognito_client_ids: Texts = Field(min_length=1)
    """Its clients whose tokens count, comma-separated."""

    cognito_issuer: str | None = None
    """`iss` of the tokens; from region and pool unless given."""

    cognito_jwks_url: str | None = None
    """Where the pool publishes its keys; from the issuer unless given."""

    cursor_secrets: Secrets = Field(min_length=1)
    """Sign cursors: at least 32 bytes each, comma-separated; the first signs, all verify."""

    cors_allowed_origins: Texts | None = None
    """Origins that browsers may call from, comma-separated; `*` reflects any, the default outside production."""

    trusted_proxy_hops: int = Field(default=0, ge=0, le=10)
    """How many entries of `X-Forwarded-For`, from the right, our own proxies wrote."""

    max_body_bytes: int = Field(default=65_536, ge=1_024, le=10_485_760)
    """Largest body."""

    webhook_max_body_bytes: int = Field(default=3_145_728, ge=1_024, le=10_485_760)
    """Largest body of a webhook."""

    request_timeout_seconds: float = Field(default=10, ge=0.1, le=300)
    """Deadline of a request."""

    relay_with_api: bool = True
    """Whether `tazco serve` also relays events; they then leave milliseconds after their commit. `tazco relay` does it elsewhere."""

    trace_events: bool = False
    """Whether events that have left are found by their correlation id, as the timeline wants it; costs one write unit more per event."""

    metrics_port: int = Field(default=0, ge=0, le=65535)
    """Port for Prometheus to scrape, on `TAZCO_HOST`; 0 serves none."""

    console: bool = True
    """Whether `tazco serve` also serves the operators' console, at `/console`."""

    console_idle_minutes: int = Field(default=30, ge=1, le=720)
    """How long an operator may do nothing before signing in again."""

    stand_in_url: str | None = None
    """Where the local stand-in for WhatsApp is; the console then shows an approver's phone. Never in production."""

    cleanup_enabled: bool = True
    """Whether operators may delete all data."""

    whatsapp_provider: Literal["meta", "wppconnect"] = "meta"
    """Who carries the messages."""

    whatsapp_meta_base_url: str = "https://graph.facebook.com"
    """Where the Cloud API is."""

    whatsapp_meta_api_version: str = Field(default="v25.0", pattern=r"^v\d{1,3}\.\d{1,3}$")
    """Its version."""

    whatsapp_meta_phone_number_id: str | None = None
    """Our number there."""

    whatsapp_meta_access_token: SecretStr | None = None
    """Opens it."""

    whatsapp_meta_app_secrets: Secrets = ()
    """Sign its webhooks, comma-separated for rotation."""

    whatsapp_meta_verify_token: SecretStr | None = None
    """Proves us in its handshake."""

    wpp_base_url: str | None = None
    """Where WPPConnect is."""

    wpp_secret_key: SecretStr | None = None
    """Opens it."""

    wpp_webhook_secret: SecretStr | None = None
    """Proves its webhooks."""

    wpp_session: str = "tazco-financial-api"
    """Our session there."""

    @field_validator("cognito_client_ids", "cors_allowed_origins", "cursor_secrets", "whatsapp_meta_app_secrets", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("cursor_secrets")
    @classmethod
    def _long_enough(cls, secrets: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        if any(len(secret.get_secret_value().encode()) < CURSOR_SECRET_BYTES_MIN for secret in secrets):
            raise ValueError(f"each secret needs at least {CURSOR_SECRET_BYTES_MIN} bytes; make one with: openssl rand -base64 32")
        return secrets

    @property
    def production(self) -> bool:
        """Real people and real money."""
        return self.env == "production"

    @cached_property
    def allowed_origins(self) -> tuple[str, ...]:
        """Origins that a browser may call from; `*` reflects any, the default outside production."""
        if self.cors_allowed_origins is not None:
            return self.cors_allowed_origins
        return () if self.production else ("*",)

    def issuer(self, region: str) -> str:
        """The `iss` that tokens must carry."""
        return self.cognito_issuer or f"https://cognito-idp.{region}.amazonaws.com/{self.cognito_user_pool_id}"

    def jwks_url(self, region: str) -> str:
        """Where the pool publishes its keys."""
        return self.cognito_jwks_url or f"{self.issuer(region)}/.well-known/jwks.json"

    def missing_whatsapp_credentials(self) -> tuple[str, ...]:
        """The variables that the chosen provider still lacks; empty when it is complete."""
        needed: dict[str, dict[str, object]] = {
            "meta": {
                "TAZCO_WHATSAPP_META_PHONE_NUMBER_ID": self.whatsapp_meta_phone_number_id,
                "TAZCO_WHATSAPP_META_ACCESS_TOKEN": self.whatsapp_meta_access_token,
                "TAZCO_WHATSAPP_META_APP_SECRETS": self.whatsapp_meta_app_secrets,
                "TAZCO_WHATSAPP_META_VERIFY_TOKEN": self.whatsapp_meta_verify_token,
            },
            "wppconnect": {
                "TAZCO_WPP_BASE_URL": self.wpp_base_url,
                "TAZCO_WPP_SECRET_KEY": self.wpp_secret_key,
                "TAZCO_WPP_WEBHOOK_SECRET": self.wpp_webhook_secret,
            },
        }
        return tuple(name for name, value in needed[self.whatsapp_provider].items() if not value)


Read = TypeVar("Read", bound=Names)


def load_settings(cloud: Cloud) -> Settings:
    """Read and check the environment (and `.env`); raise `BadSettings` naming every bad variable at once."""
    settings = _read(Settings)
    faults = _production_faults(settings, cloud) if settings.production else []
    if faults:
        raise BadSettings("\n".join(faults))
    return settings


def load_names() -> Names:
    """Read and check the names alone; raise `BadSettings` as `load_settings` does."""
    return _read(Names)


def _read(kind: type[Read]) -> Read:
    try:
        return kind()
    except ValidationError as error:
        lines = [f"{PREFIX}{str(fault['loc'][0]).upper()}: {_complaint(fault['type'], fault['msg'])}" for fault in error.errors()]
        raise BadSettings("\n".join(lines)) from None


def _complaint(kind: str, message: str) -> str:
    return "is required and not set" if kind == "missing" else message


def _production_faults(settings: Settings, cloud: Cloud) -> list[str]:
    overrides = sorted(name for name, value in cloud.environment.items() if name.startswith("AWS_ENDPOINT_URL") and value)
    faults = [f"{name}: production talks to AWS itself; unset it" for name in overrides]
    if not overrides and any(cloud.endpoint_override(service) for service in TARGETS):
        faults.append("AWS_PROFILE: production talks to AWS itself; remove endpoint_url from the profile")
    if "*" in settings.allowed_origins:
        faults.append("TAZCO_CORS_ALLOWED_ORIGINS: production needs a list of origins, not *")
    if settings.stand_in_url:
        faults.append("TAZCO_STAND_IN_URL: production has no stand-in for WhatsApp; unset it")
    if urlsplit(settings.jwks_url(cloud.region)).scheme != "https":
        faults.append("TAZCO_COGNITO_JWKS_URL: production fetches keys over https only")
    return faults
