"""Policy: live, whole, and never half taken over."""

import asyncio
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest

from tazco.platform.aws import Aws
from tazco.platform.policy_source import NoPolicy, read_parameters
from tests.contract.seeds import with_policy
from tests.stage import Stage
from tests.world import World, open_world

PERIOD_SECONDS_MAX = 20


class PagesOf(Aws):
    """An SSM that gives one parameter a page and an empty page after each."""

    def __init__(self, parameters: dict[str, str]) -> None:
        self.pages: list[list[dict[str, str]]] = []
        for name, value in parameters.items():
            self.pages += [[{"Name": f"/p/{name}", "Value": value}], []]

    async def call(
        self, service: str, operation: str, arguments: Mapping[str, Any], *, attempts_max: int = 1, answer_after_seconds: float = 0
    ) -> dict[str, Any]:
        assert (service, operation, attempts_max, answer_after_seconds) == ("ssm", "GetParametersByPath", 1, 0)
        place = int(arguments.get("NextToken", "0"))
        more = {"NextToken": str(place + 1)} if place + 1 < len(self.pages) else {}
        return {"Parameters": self.pages[place], **more}


async def test_a_changed_limit_takes_effect_without_a_restart(stage: Stage) -> None:
    async with open_world(stage, policy_refresh_seconds=1) as world:
        ada = await world.person(score=720)
        world.set_parameter("limits/highTier", "4321.5")
        async with asyncio.timeout(PERIOD_SECONDS_MAX):
            while float((await ada.get("/v1/offers")).body["offers"][0]["terms"]["creditLimit"]) != 4321.5:
                await asyncio.sleep(0.05)
        asked = await ada.ask_for_card()
        assert float(asked.body["request"]["card"]["limit"]) == 4321.5
        world.set_parameter("limits/highTier", "3000")


@pytest.mark.parametrize(
    ("name", "bad", "good"),
    [
        ("limits/lowTier", "1600", "500"),
        ("limits/minimum", "0", "100"),
        ("approval/autoApproveThreshold", "1002", "700"),
        ("scoring/latePenaltyMild", "60", "20"),
        ("scoring/oneBonusPerCycle", "yes", "true"),
        ("billing/minimumPaymentPercent", "2.001", "2"),
        ("texts/currency", "JPY", "USD"),
        ("whatsapp/approvers", '[{"name":"x"}]', "[]"),
    ],
)
async def test_one_bad_value_rejects_the_whole_set_and_readiness_warns(world: World, name: str, bad: str, good: str) -> None:
    before = world.services.policies.current()
    world.set_parameter(name, bad)
    world.set_parameter("approval/cooldownDays", "5")
    await world.services.policies.refresh()
    assert world.services.policies.current() == before
    world.services.health._seen = None
    ready = await world.call("GET", "/health/readiness")
    assert (ready.status, ready.body["status"]) == (200, "healthy")
    assert ready.body["warnings"][0].startswith("policy: ")
    assert name.split("/", maxsplit=1)[0] in ready.body["warnings"][0]
    world.set_parameter(name, good)
    await world.services.policies.refresh()
    assert world.services.policies.current().cooldown_days == 5
    world.services.health._seen = None
    assert "warnings" not in (await world.call("GET", "/health/readiness")).body
    world.set_parameter("approval/cooldownDays", "30")
    await world.services.policies.refresh()


async def test_unknown_names_do_not_count_and_every_page_is_read(world: World) -> None:
    world.set_parameter("something/else", "x")
    await world.services.policies.refresh()
    assert world.services.policies.problem is None
    found = await read_parameters(world.services.aws, f"{world.stage.names.ssm_prefix}/")
    assert len(found) > 30


async def test_an_invalid_set_at_start_refuses_to_start(stage: Stage) -> None:
    async with open_world(stage) as world:
        world.set_parameter("limits/highTier", "1")
        with pytest.raises(NoPolicy, match="limits/highTier"):
            async with open_world(stage):
                raise AssertionError("started")
        world.set_parameter("limits/highTier", "3000")


async def test_notifications_without_credentials_refuse_to_start_and_are_refused_later(stage: Stage) -> None:
    with pytest.raises(NoPolicy, match="TAZCO_WHATSAPP_META_PHONE_NUMBER_ID"):
        async with open_world(stage, whatsapp_meta_phone_number_id=None):
            raise AssertionError("started")
    async with open_world(stage) as world:
        world.set_parameter("whatsapp/notificationsEnabled", "false")
        async with open_world(stage, whatsapp_meta_phone_number_id=None) as silent:
            world.set_parameter("whatsapp/notificationsEnabled", "true")
            await silent.services.policies.refresh()
            assert silent.services.policies.current().notifications_enabled is False
            assert "TAZCO_WHATSAPP_META_PHONE_NUMBER_ID" in (silent.services.policies.problem or "")


async def test_one_request_sees_one_policy_and_the_next_the_new_one(world: World) -> None:
    ada = await world.person(score=720)
    await with_policy(world, limits__highTier="3210.99", offers__highTierApr="7.5", offers__highTierAnnualFee="12.05")
    (offer,) = (await ada.get("/v1/offers")).body["offers"]
    assert offer["terms"] == {"creditLimit": Decimal("3210.99"), "apr": Decimal("7.5"), "annualFee": Decimal("12.05")}
    await with_policy(world, limits__highTier="3000", offers__highTierApr="12.99", offers__highTierAnnualFee="0")
    (offer,) = (await ada.get("/v1/offers")).body["offers"]
    assert offer["terms"] == {"creditLimit": 3000, "apr": Decimal("12.99"), "annualFee": 0}


async def test_a_changed_policy_governs_the_next_command(world: World) -> None:
    operator, ada = await world.operator(), await world.person(score=430)
    request_id = (await ada.ask_for_card()).body["request"]["requestId"]
    path = f"/v1/admin/card-requests/{request_id}/approve"
    await with_policy(world, limits__minimum="250.5", limits__lowTier="300")
    for limit in (250.49, 3000.01):
        below = await operator.post(path, {"creditLimit": limit})
        assert (below.status, below.code, "policy" in below.message) == (400, "VALIDATION_ERROR", True)
    over = await operator.post(path, {"creditLimit": 300.01})
    assert over.body["error"]["details"] == {"requestedLimit": Decimal("300.01"), "maximumLimit": 300, "tier": "low"}
    assert (await operator.post(path, {"creditLimit": 250.5})).status == 200
    await with_policy(world, limits__minimum="100", limits__lowTier="500")


async def test_a_missing_parameter_has_its_default(world: World) -> None:
    await with_policy(world, approval__cooldownDays="9")
    assert world.services.policies.current().cooldown_days == 9
    world.stage.clients.ssm.delete_parameter(Name=f"{world.stage.names.ssm_prefix}/approval/cooldownDays")
    await world.services.policies.refresh()
    assert (world.services.policies.problem, world.services.policies.current().cooldown_days) == (None, 30)
    world.set_parameter("approval/cooldownDays", "30")


async def test_parameters_of_a_neighbour_with_a_longer_name_are_not_ours(world: World) -> None:
    world.stage.clients.ssm.put_parameter(
        Name=f"{world.stage.names.ssm_prefix}-other/limits/highTier", Value="nonsense", Type="String", Overwrite=True
    )
    await world.services.policies.refresh()
    assert world.services.policies.problem is None


async def test_empty_pages_and_pages_of_one_are_read_to_the_end(world: World) -> None:
    found = await read_parameters(PagesOf({"limits/lowTier": "1", "limits/highTier": "2", "x": "3"}), "/p/")
    assert found == {"limits/lowTier": "1", "limits/highTier": "2", "x": "3"}
    assert len(await read_parameters(world.services.aws, f"{world.stage.names.ssm_prefix}/")) >= 35


async def test_a_refused_set_costs_no_request_and_the_last_good_values_stay_in_force(world: World) -> None:
    ada = await world.person(score=720)
    world.set_parameter("limits/highTier", "2999")
    world.set_parameter("limits/mediumTier", "1e3")
    await world.services.policies.refresh()
    assert "limits/mediumTier" in str(world.services.policies.problem)
    assert (await ada.get("/v1/offers")).body["offers"][0]["terms"]["creditLimit"] == 3000
    assert (await ada.ask_for_card()).body["request"]["card"]["limit"] == 3000
    await with_policy(world, limits__highTier="3000", limits__mediumTier="1500")


async def test_a_parameter_that_nests_too_deeply_is_refused_and_the_refreshing_goes_on(world: World) -> None:
    world.set_parameter("whatsapp/approvers", "[" * 4_000)
    await world.services.policies.refresh()
    assert "whatsapp/approvers" in str(world.services.policies.problem)
    await with_policy(world, whatsapp__approvers="[]")
