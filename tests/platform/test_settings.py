"""Settings refuse to start by naming the variable."""

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
