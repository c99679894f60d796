"""Bounds and tolerance found by hostile readers: rare filters, proxies, odd answers, failing credentials."""

import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tazco.platform.aws import AwsUnreachable
from tazco.platform.cloud import ChainCredentials, Cloud
from tazco.platform.jsontext import encode
from tazco.platform.wire import Reply
from tests.platform.faults import Faulty
from tests.stage import Stage
from tests.world import World, open_world

PURCHASES = 60


@pytest.fixture
def counted() -> Faulty:
    """A transport that counts, and lets faults strike."""
    return Faulty()


@pytest.fixture
async def shaky(stage: Stage, counted: Faulty) -> AsyncIterator[World]:
    """A world behind it, and behind one trusted proxy."""
    async with open_world(stage, transport=counted, trusted_proxy_hops=1) as opened:
        yield opened


async def test_a_filter_that_nothing_passes_reads_the_ledger_in_large_pages(shaky: World, counted: Faulty) -> None:
    ada, card = await shaky.cardholder()
    for _ in range(PURCHASES):
        assert (await ada.buy(card, 1)).status == 201
    before = counted.count("Query")
    reply = await ada.get(f"/v1/cards/{card}/transactions?type=payment&limit=1")
    assert reply.body == {"transactions": [], "pagination": {"nextCursor": None, "hasMore": False}}
    assert counted.count("Query") - before <= 2


async def test_of_several_forwarded_for_lines_the_last_hop_counts(shaky: World) -> None:
    operator, ada = await shaky.operator(), await shaky.person()
    headers = [
        ("authorization", f"Bearer {operator.access_token}"),
        ("idempotency-key", str(uuid.uuid4())),
        ("x-forwarded-for", "6.6.6.6"),
        ("x-forwarded-for", "10.1.2.3"),
    ]
    reply = await shaky.http.post(f"/v1/admin/users/{ada.ecosystem_id}/disable", json={"reason": "r"}, headers=headers)
    assert reply.status_code == 200
    logs = (await operator.get(f"/v1/admin/audit-logs?targetType=user&targetId={ada.ecosystem_id}")).body["auditLogs"]
    assert logs[0]["ipAddress"] == "10.1.2.3"


async def test_an_answer_of_ssm_that_nobody_expected_keeps_the_policy_and_the_refreshing(shaky: World, counted: Faulty) -> None:
    policies = shaky.services.policies
    before = policies.current()
    counted.strike("GetParametersByPath", Reply(200, {}, encode({"Parameters": [{"Name": f"{policies.path}limits/minimum"}]})))
    await policies.refresh()
    assert policies.current() is before
    assert policies.problem is not None
    await policies.refresh()
    assert policies.problem is None


async def test_credentials_that_sts_refuses_for_a_moment_are_an_outage_and_no_bug() -> None:
    class Refusing:
        def get_frozen_credentials(self) -> Any:
            raise ClientError({"Error": {"Code": "ThrottlingException", "Message": "slow down"}}, "AssumeRole")

    credentials = ChainCredentials(Cloud.from_mapping({"AWS_REGION": "eu-west-1"}))
    credentials._source = Refusing()
    with pytest.raises(AwsUnreachable, match="slow down"):
        await credentials.current()
