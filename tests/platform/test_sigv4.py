"""Our signatures against those of botocore, whose word AWS takes."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import botocore.auth
import botocore.awsrequest
import botocore.credentials
from hypothesis import given
from hypothesis import strategies as st

from tazco.platform.aws import TARGETS
from tazco.platform.sigv4 import Credentials, Signer

NOON = datetime(2026, 11, 24, 12, 0, 0, tzinfo=UTC)
KEYS = Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
SESSION = Credentials("ASIAEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "FwoGZXIvYXdzEBYaD//session+token==")


def of_botocore(signer: Signer, keys: Credentials, host: str, target: str, content_type: str, body: bytes, now: datetime) -> str:
    """The Authorization header that botocore would send at `now`."""
    oracle: Any = botocore.auth.SigV4Auth(  # Any: the steps between time and signature are private
        botocore.credentials.Credentials(keys.access_key, keys.secret_key, keys.session_token), signer.service, signer.region
    )
    headers = {"Content-Type": content_type, "X-Amz-Target": target}
    request = botocore.awsrequest.AWSRequest("POST", f"https://{host}/", headers, body)
    request.context["timestamp"] = now.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
    oracle._modify_request_before_signing(request)
    oracle._inject_signature_to_request(
        request, oracle.signature(oracle.string_to_sign(request, oracle.canonical_request(request)), request)
    )
    return str(request.headers["Authorization"])


def ours(signer: Signer, keys: Credentials, host: str, target: str, content_type: str, body: bytes, now: datetime) -> str:
    return signer.headers(keys, host, target, content_type, body, now)["authorization"]


instants = st.datetimes(min_value=datetime(2000, 1, 1), max_value=datetime(2099, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001 - hypothesis wants bounds without zone
secrets = st.text(st.characters(codec="ascii", categories=["L", "N", "P"]), min_size=1, max_size=64)


@given(
    body=st.binary(max_size=2_000),
    now=instants,
    secret=secrets,
    token=st.none() | secrets,
    service=st.sampled_from(sorted(TARGETS)),
    region=st.sampled_from(["us-east-1", "eu-central-1", "us-gov-west-1"]),
    host=st.sampled_from(["dynamodb.us-east-1.amazonaws.com", "127.0.0.1:4566", "localhost:80", "[::1]:4566"]),
    operation=st.sampled_from(["GetItem", "TransactWriteItems"]),
)
def test_every_request_is_signed_as_botocore_signs_it(
    body: bytes, now: datetime, secret: str, token: str | None, service: str, region: str, host: str, operation: str
) -> None:
    prefix, content_type = TARGETS[service]
    signer, keys = Signer(service, region), Credentials("AKIDEXAMPLE", secret, token)
    request = (host, f"{prefix}.{operation}", content_type, body, now)
    assert ours(signer, keys, *request) == of_botocore(signer, keys, *request)


def test_a_real_botocore_client_would_send_the_same() -> None:
    for keys in (KEYS, SESSION):
        oracle = botocore.auth.SigV4Auth(
            botocore.credentials.Credentials(keys.access_key, keys.secret_key, keys.session_token), "sqs", "us-east-1"
        )
        headers = {"Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": "AmazonSQS.SendMessage"}
        request = botocore.awsrequest.AWSRequest("POST", "https://sqs.us-east-1.amazonaws.com/", headers, b"{}")
        oracle.add_auth(request)
        now = datetime.strptime(request.headers["X-Amz-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        signed = Signer("sqs", "us-east-1").headers(
            keys, "sqs.us-east-1.amazonaws.com", "AmazonSQS.SendMessage", "application/x-amz-json-1.0", b"{}", now
        )
        signed.pop("host")
        assert signed == {name.lower(): value for name, value in request.headers.items()}


def test_the_derived_key_follows_the_day_the_secret_and_the_token() -> None:
    signer = Signer("dynamodb", "us-east-1")
    request = ("dynamodb.us-east-1.amazonaws.com", "DynamoDB_20120810.GetItem", "application/x-amz-json-1.0", b"{}")
    other = Credentials("AKIDOTHER", "another secret")
    for keys in (KEYS, SESSION, other, KEYS):
        for now in (NOON, NOON + timedelta(days=1), NOON):
            assert ours(signer, keys, *request, now) == of_botocore(signer, keys, *request, now)


def test_an_instant_in_another_zone_is_signed_in_utc() -> None:
    request = ("localhost", "AWSEvents.PutEvents", "application/x-amz-json-1.1", b"{}")
    evening = NOON.replace(hour=23).astimezone(timezone(timedelta(hours=5)))
    signer = Signer("events", "us-east-1")
    assert ours(signer, KEYS, *request, evening) == of_botocore(signer, KEYS, *request, evening)


def test_secrets_do_not_show_in_a_representation() -> None:
    assert "EXAMPLEKEY" not in repr(SESSION)
    assert "session+token" not in repr(SESSION)
    signer = Signer("events", "us-east-1")
    signer.headers(KEYS, "localhost", "AWSEvents.PutEvents", "application/x-amz-json-1.1", b"", NOON)
    assert "EXAMPLEKEY" not in repr(signer)
