"""Policy: live, whole, and never half taken over."""

import asyncio

import pytest

from tazco.platform.policy_source import NoPolicy, read_parameters
from tests.stage import Stage
from tests.world import World, open_world

PERIOD_SECONDS_MAX = 20


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
    nothing = {"whatsapp_meta_phone_number_id": None}
    with pytest.raises(NoPolicy, match="TAZCO_WHATSAPP_META_PHONE_NUMBER_ID"):
        async with open_world(stage, **nothing):
            raise AssertionError("started")
    async with open_world(stage) as world:
        world.set_parameter("whatsapp/notificationsEnabled", "false")
        async with open_world(stage, **nothing) as silent:
            world.set_parameter("whatsapp/notificationsEnabled", "true")
            await silent.services.policies.refresh()
            assert silent.services.policies.current().notifications_enabled is False
            assert "TAZCO_WHATSAPP_META_PHONE_NUMBER_ID" in (silent.services.policies.problem or "")
