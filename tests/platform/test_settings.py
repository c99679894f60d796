"""Settings refuse to start by naming the variable."""

import os
from pathlib import Path

import pytest

from tazco.platform.cloud import Cloud
from tazco.platform.settings import BadSettings, Settings, load_settings

GOOD = {
    "TAZCO_COGNITO_USER_POOL_ID": "us-east-1_Pool",
    "TAZCO_COGNITO_CLIENT_IDS": "one, two",
    "TAZCO_CURSOR_SECRETS": "x" * 32,
}
AWS = {"AWS_REGION": "eu-west-1"}


def load(patch: pytest.MonkeyPatch, variables: dict[str, str | None], aws: dict[str, str] | None = None) -> Settings:
    """The settings of an environment."""
    patch.chdir(Path(__file__).parent)
    for name, value in {**GOOD, **variables}.items():
        if value is None:
            patch.delenv(name, raising=False)
        else:
            patch.setenv(name, value)
    return load_settings(Cloud.from_mapping({**AWS, **(aws or {})}))


def test_defaults_are_those_of_the_contract(monkeypatch: pytest.MonkeyPatch) -> None:
    found = load(monkeypatch, {})
    assert (found.env, found.host, found.port, found.table_prefix) == ("development", "127.0.0.1", 3000, "tazco-")
    assert found.cognito_client_ids == ("one", "two")
    assert found.allowed_origins == ("*",)
    assert found.issuer("eu-west-1") == "https://cognito-idp.eu-west-1.amazonaws.com/us-east-1_Pool"
    assert found.jwks_url("eu-west-1").endswith("/us-east-1_Pool/.well-known/jwks.json")
    assert (found.max_body_bytes, found.webhook_max_body_bytes, found.request_timeout_seconds) == (65536, 3145728, 10)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TAZCO_COGNITO_USER_POOL_ID", None),
        ("TAZCO_COGNITO_CLIENT_IDS", None),
        ("TAZCO_COGNITO_CLIENT_IDS", " , "),
        ("TAZCO_CURSOR_SECRETS", None),
        ("TAZCO_CURSOR_SECRETS", "too-short"),
        ("TAZCO_CURSOR_SECRETS", "x" * 32 + ",short"),
        ("TAZCO_PORT", "70000"),
        ("TAZCO_PORT", "http"),
        ("TAZCO_ENV", "staging"),
        ("TAZCO_POLICY_REFRESH_SECONDS", "0"),
        ("TAZCO_REQUEST_TIMEOUT_SECONDS", "-1"),
        ("TAZCO_CLEANUP_ENABLED", "perhaps"),
        ("TAZCO_WHATSAPP_PROVIDER", "telegram"),
        ("TAZCO_SSM_PREFIX", "no-slash"),
    ],
)
def test_a_bad_value_names_its_variable_and_never_quotes_a_secret(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str | None
) -> None:
    with pytest.raises(BadSettings, match=name) as refused:
        load(monkeypatch, {name: value})
    assert "too-short" not in str(refused.value)


PRODUCTION = {"TAZCO_ENV": "production", "TAZCO_CORS_ALLOWED_ORIGINS": "https://app.example.com"}


def test_production_starts_when_nothing_is_overridden(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load(monkeypatch, dict(PRODUCTION)).production


def test_production_has_no_origins_unless_given(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load(monkeypatch, {**PRODUCTION, "TAZCO_CORS_ALLOWED_ORIGINS": None}).allowed_origins == ()


@pytest.mark.parametrize(
    ("variables", "aws", "named"),
    [
        ({"TAZCO_CORS_ALLOWED_ORIGINS": "*"}, {}, "TAZCO_CORS_ALLOWED_ORIGINS"),
        ({"TAZCO_COGNITO_JWKS_URL": "http://127.0.0.1/jwks"}, {}, "TAZCO_COGNITO_JWKS_URL"),
        ({}, {"AWS_ENDPOINT_URL": "http://127.0.0.1:4566"}, "AWS_ENDPOINT_URL"),
        ({}, {"AWS_ENDPOINT_URL_DYNAMODB": "http://127.0.0.1:4566"}, "AWS_ENDPOINT_URL_DYNAMODB"),
    ],
)
def test_production_refuses_what_only_a_laptop_may_have(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], aws: dict[str, str], named: str
) -> None:
    with pytest.raises(BadSettings, match=named):
        load(monkeypatch, {**PRODUCTION, **variables}, aws)


def test_secrets_do_not_show_in_the_repr(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "x" * 32 not in repr(load(monkeypatch, {"TAZCO_WHATSAPP_META_ACCESS_TOKEN": "s3cr3t"}))
    assert "s3cr3t" not in repr(load(monkeypatch, {"TAZCO_WHATSAPP_META_ACCESS_TOKEN": "s3cr3t"}))


def test_all_defaults_of_the_contract(monkeypatch: pytest.MonkeyPatch) -> None:
    found = load(monkeypatch, {})
    assert (found.log_level, found.ssm_prefix, found.policy_refresh_seconds) == ("info", "/tazco/financial-api", 30)
    assert (found.event_bus, found.event_source) == ("tazco-financial-events", "tazco.financial-api")
    assert (found.trusted_proxy_hops, found.cleanup_enabled, found.whatsapp_provider) == (0, True, "meta")
    assert (found.whatsapp_meta_base_url, found.whatsapp_meta_api_version) == ("https://graph.facebook.com", "v25.0")
    assert found.wpp_session == "tazco-financial-api"
    assert found.production is False


def test_every_bad_variable_is_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    bad = {"TAZCO_PORT": "x", "TAZCO_ENV": "staging", "TAZCO_CURSOR_SECRETS": None, "TAZCO_TRUSTED_PROXY_HOPS": "-1"}
    with pytest.raises(BadSettings) as refused:
        load(monkeypatch, bad)
    lines = str(refused.value).splitlines()
    assert sorted(line.split(":")[0] for line in lines) == sorted(bad)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TAZCO_PORT", "0"),
        ("TAZCO_PORT", "3000.5"),
        ("TAZCO_PORT", ""),
        ("TAZCO_LOG_LEVEL", "loud"),
        ("TAZCO_POLICY_REFRESH_SECONDS", "3601"),
        ("TAZCO_POLICY_REFRESH_SECONDS", "nan"),
        ("TAZCO_REQUEST_TIMEOUT_SECONDS", "inf"),
        ("TAZCO_REQUEST_TIMEOUT_SECONDS", "nan"),
        ("TAZCO_MAX_BODY_BYTES", "-1"),
        ("TAZCO_MAX_BODY_BYTES", "64k"),
        ("TAZCO_WEBHOOK_MAX_BODY_BYTES", "x"),
        ("TAZCO_TRUSTED_PROXY_HOPS", "many"),
        ("TAZCO_CLEANUP_ENABLED", ""),
        ("TAZCO_COGNITO_USER_POOL_ID", ""),
        ("TAZCO_COGNITO_CLIENT_IDS", ""),
        ("TAZCO_CURSOR_SECRETS", ""),
        ("TAZCO_CURSOR_SECRETS", ","),
        ("TAZCO_CURSOR_SECRETS", "s" * 31),
        ("TAZCO_EVENT_BUS", ""),
        ("TAZCO_SSM_PREFIX", "/trailing/"),
        ("TAZCO_SSM_PREFIX", ""),
        ("TAZCO_TABLE_PREFIX", "has space"),
        ("TAZCO_WHATSAPP_META_API_VERSION", "25"),
    ],
)
def test_a_value_outside_its_bounds_is_refused_by_name(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    with pytest.raises(BadSettings) as refused:
        load(monkeypatch, {name: value})
    assert str(refused.value).startswith(f"{name}: ")
    assert "s" * 31 not in str(refused.value)
    assert "pydantic" not in str(refused.value)


@pytest.mark.parametrize("secrets", ["s" * 32, "é" * 16, f" {'a' * 32} , {'b' * 40},"])
def test_a_secret_has_32_bytes_and_there_may_be_many(monkeypatch: pytest.MonkeyPatch, secrets: str) -> None:
    found = load(monkeypatch, {"TAZCO_CURSOR_SECRETS": secrets}).cursor_secrets
    assert [secret.get_secret_value() for secret in found] == [part.strip() for part in secrets.split(",") if part.strip()]


def test_lists_are_comma_separated_with_or_without_blanks(monkeypatch: pytest.MonkeyPatch) -> None:
    found = load(
        monkeypatch,
        {
            "TAZCO_COGNITO_CLIENT_IDS": "a,b , c,",
            "TAZCO_CORS_ALLOWED_ORIGINS": "https://a.example, https://b.example",
            "TAZCO_WHATSAPP_META_APP_SECRETS": "one,two",
        },
    )
    assert found.cognito_client_ids == ("a", "b", "c")
    assert found.allowed_origins == ("https://a.example", "https://b.example")
    assert [secret.get_secret_value() for secret in found.whatsapp_meta_app_secrets] == ["one", "two"]


def test_the_issuer_and_the_keys_follow_region_and_pool_unless_given(monkeypatch: pytest.MonkeyPatch) -> None:
    own = load(monkeypatch, {"TAZCO_COGNITO_ISSUER": "https://issuer.example/pool"})
    assert own.issuer("eu-west-1") == "https://issuer.example/pool"
    assert own.jwks_url("eu-west-1") == "https://issuer.example/pool/.well-known/jwks.json"
    both = load(monkeypatch, {"TAZCO_COGNITO_JWKS_URL": "https://keys.example/jwks"})
    assert (both.issuer("eu-west-1"), both.jwks_url("eu-west-1")) == ("https://issuer.example/pool", "https://keys.example/jwks")


@pytest.mark.parametrize(
    "name",
    [
        "AWS_ENDPOINT_URL",
        "AWS_ENDPOINT_URL_DYNAMODB",
        "AWS_ENDPOINT_URL_SQS",
        "AWS_ENDPOINT_URL_SSM",
        "AWS_ENDPOINT_URL_EVENTBRIDGE",
        "AWS_ENDPOINT_URL_COGNITO_IDENTITY_PROVIDER",
        "AWS_ENDPOINT_URL_STS",
    ],
)
def test_production_refuses_every_endpoint_override_and_names_it(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    for origins in ("https://app.example.com", ""):
        with pytest.raises(BadSettings, match=rf"\b{name}\b"):
            load(monkeypatch, {**PRODUCTION, "TAZCO_CORS_ALLOWED_ORIGINS": origins}, {name: "http://127.0.0.1:4566"})
    assert load(monkeypatch, {"TAZCO_ENV": "development"}, {name: "http://127.0.0.1:4566"}).env == "development"


@pytest.mark.parametrize("origins", ["*", "https://a.example,*", " * "])
def test_production_refuses_a_star_among_its_origins(monkeypatch: pytest.MonkeyPatch, origins: str) -> None:
    with pytest.raises(BadSettings, match="TAZCO_CORS_ALLOWED_ORIGINS"):
        load(monkeypatch, {**PRODUCTION, "TAZCO_CORS_ALLOWED_ORIGINS": origins})


@pytest.mark.parametrize("name", ["TAZCO_COGNITO_JWKS_URL", "TAZCO_COGNITO_ISSUER"])
@pytest.mark.parametrize("url", ["http://keys.example/jwks", "HTTP://keys.example", "file:///etc/keys", "keys.example", "ftp://x"])
def test_production_fetches_keys_over_https_only(monkeypatch: pytest.MonkeyPatch, name: str, url: str) -> None:
    with pytest.raises(BadSettings, match="TAZCO_COGNITO_"):
        load(monkeypatch, {**PRODUCTION, name: url})


def test_all_faults_of_a_production_are_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    bad: dict[str, str | None] = {
        "TAZCO_ENV": "production",
        "TAZCO_CORS_ALLOWED_ORIGINS": "*",
        "TAZCO_COGNITO_JWKS_URL": "http://x",
    }
    with pytest.raises(BadSettings) as refused:
        load(monkeypatch, bad, {"AWS_ENDPOINT_URL": "http://127.0.0.1:4566"})
    for name in ("TAZCO_CORS_ALLOWED_ORIGINS", "TAZCO_COGNITO_JWKS_URL", "AWS_ENDPOINT_URL"):
        assert name in str(refused.value)


@pytest.mark.parametrize("provider", ["meta", "wppconnect"])
def test_the_missing_credentials_of_a_provider_are_named(monkeypatch: pytest.MonkeyPatch, provider: str) -> None:
    missing = load(monkeypatch, {"TAZCO_WHATSAPP_PROVIDER": provider}).missing_whatsapp_credentials()
    assert missing
    complete = load(monkeypatch, dict.fromkeys(missing, "given"))
    assert complete.missing_whatsapp_credentials() == ()
    for name in missing:
        monkeypatch.setenv(name, "")
        assert load_settings(Cloud.from_mapping(AWS)).missing_whatsapp_credentials() == (name,)
        monkeypatch.setenv(name, "given")


def test_production_refuses_an_endpoint_that_its_profile_names(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text("[default]\nregion = eu-west-1\nendpoint_url = http://127.0.0.1:4566\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    for name in [name for name in os.environ if name.startswith(("AWS_ENDPOINT", "AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT"))]:
        monkeypatch.delenv(name)
    load(monkeypatch, dict(PRODUCTION))
    with pytest.raises(BadSettings, match="AWS_PROFILE"):
        load_settings(Cloud.from_environment())
