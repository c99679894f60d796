"""Changing a parameter: what is refused, what is done, and what the audit says of it."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator

import pytest
from structlog.testing import capture_logs

from tazco.audit.store import AUDIT_LOGS
from tazco.kernel.errors import Invalid, Refused
from tazco.kernel.money import Money
from tazco.platform.idempotency import STORED_ANSWERS, KeyReused
from tazco.platform.policy import TUNABLES
from tazco.platform.policy_source import PolicySource
from tazco.tuning.commands import LEASE, LEASE_LENGTH
from tazco.tuning.model import ParameterMoved, ParameterUnknown, PolicyBeingEdited
from tazco.tuning.store import TEXT_BYTES_MAX, unapplied
from tests.platform.test_row_sizes import BROWSER, WRITE_UNIT_BYTES, size_of
from tests.stage import Stage
from tests.tuning.desk import Desk, open_desk
from tests.world import open_world

LOW = "limits/lowTier"
TEMPLATE = "whatsapp/approvalTemplate"
APPROVERS = "whatsapp/approvers"


@pytest.fixture(scope="module")
async def calm(stage: Stage) -> AsyncIterator[Desk]:
    """A desk at which nothing comes about."""
    async with open_desk(stage) as opened:
        yield opened


async def test_a_change_is_on_record_in_ssm_and_in_force_at_once(desk: Desk) -> None:
    change = await desk.change(LOW, "600", reason="  More for beginners ")
    assert (change.previous_version, change.version, change.applied, change.unchanged) == (1, 2, True, False)
    assert (desk.text(LOW), desk.version(LOW)) == ("600", 2)
    assert desk.world.services.policies.current().low_tier_limit == Money(60_000)
    (entry,) = await desk.entries(LOW)
    assert entry.action.value == "policy.changed"
    assert (entry.target_type, entry.target_id, entry.target_ecosystem_id) == ("policy", LOW, "system")
    assert json.loads(entry.previous_value) == {"value": "500", "version": 1}
    assert json.loads(entry.new_value) == {"value": "600", "version": 2}
    assert (entry.actor_id, entry.admin_email, entry.reason) == ("ada", "ada@example.com", "More for beginners")
    assert await unapplied(desk.world.services, LOW) is None


async def test_an_empty_text_is_the_default(desk: Desk) -> None:
    await desk.change(LOW, "600")
    assert (await desk.change(LOW, "")).version == 3
    assert await desk.seen(LOW) == ("500", 3, "ssm")


async def test_what_has_no_default_is_created_and_deleted(desk: Desk) -> None:
    assert (await desk.change(TEMPLATE, "ask_for_it")).version == 1
    assert desk.world.services.policies.current().approval_template == "ask_for_it"
    assert (await desk.change(TEMPLATE, "")).version == 0
    assert await desk.seen(TEMPLATE) == (None, 0, "default")
    assert desk.world.services.policies.current().approval_template is None
    assert [json.loads(entry.new_value) for entry in await desk.entries(TEMPLATE)] == [
        {"value": "ask_for_it", "version": 1},
        {"value": None, "version": 0},
    ]
    assert await unapplied(desk.world.services, TEMPLATE) is None


async def test_a_parameter_that_somebody_deleted_is_created_again(desk: Desk) -> None:
    desk.world.stage.clients.ssm.delete_parameter(Name=f"{desk.world.stage.names.ssm_prefix}/{LOW}")
    assert (await desk.change(LOW, "")).unchanged
    assert (await desk.change(LOW, "500")).version == 1
    assert desk.text(LOW) == "500"


@pytest.mark.parametrize(
    ("name", "text", "reason", "told"),
    [
        (LOW, "many", "why", "limits/lowTier must be a number."),
        (LOW, " 500", "why", "limits/lowTier must be a number."),
        (LOW, "2000", "why", "limits must be 0.01 ≤ limits/minimum ≤ limits/lowTier"),
        ("scoring/paymentBonusMin", "51", "why", "scoring/paymentBonusMin must not be above scoring/paymentBonusMax."),
        ("texts/locale", "\ud800", "why", "texts/locale has a character that is no character."),
        (APPROVERS, "[" + " " * TEXT_BYTES_MAX + "]", "why", "whatsapp/approvers must have at most 4096 bytes."),
        (LOW, "600", "  ", "reason must have 1 to 500 characters."),
        (LOW, "600", "x" * 501, "reason must have 1 to 500 characters."),
    ],
)
async def test_what_is_wrong_is_refused_by_name_and_leaves_nothing(
    calm: Desk, name: str, text: str, reason: str, told: str
) -> None:
    before = calm.text(name)
    with pytest.raises(Invalid) as refusal:
        await calm.change(name, text, reason=reason)
    assert refusal.value.message.startswith(told)
    assert (calm.text(name), calm.version(name)) == (before, 1)
    assert await calm.entries(name) == []
    assert await calm.world.rows(STORED_ANSWERS) == []


async def test_an_unknown_name_does_not_exist(desk: Desk) -> None:
    with pytest.raises(ParameterUnknown, match="limits/none"):
        await desk.change("limits/none", "1")


async def test_messages_are_not_switched_on_without_credentials(desk: Desk) -> None:
    switch = "whatsapp/notificationsEnabled"
    desk.world.set_parameter(switch, "false")
    async with open_world(desk.world.stage, whatsapp_meta_access_token=None) as bare:
        with pytest.raises(Invalid, match="TAZCO_WHATSAPP_META_ACCESS_TOKEN is not set"):
            await Desk(bare, desk.wire).change(switch, "true")
    assert desk.text(switch) == "false"


async def test_a_look_that_is_too_old_is_refused(desk: Desk) -> None:
    desk.world.set_parameter(LOW, "550")
    with pytest.raises(ParameterMoved, match=r"SSM has version 2, not version 1\. Look again") as refusal:
        await desk.change(LOW, "600", version=1)
    assert refusal.value.details == {"expected_version": 1, "actual_version": 2}
    assert desk.text(LOW) == "550"
    assert await desk.entries(LOW) == []


async def test_the_text_that_is_there_already_changes_nothing(desk: Desk) -> None:
    for version in (1, 7):
        assert (await desk.change(LOW, "500", version=version)).unchanged
    assert (await desk.change(TEMPLATE, "")).unchanged
    assert desk.version(LOW) == 1
    assert await desk.entries(LOW) == await desk.entries(TEMPLATE) == []


async def test_a_key_acts_once_whatever_happened_since(desk: Desk) -> None:
    key = str(uuid.uuid4())
    first = await desk.change(LOW, "600", version=1, key=key)
    assert await desk.change(LOW, "600", version=1, key=key) == first
    await desk.change(LOW, "700")
    assert await desk.change(LOW, "600", version=1, key=key) == first
    assert (desk.text(LOW), desk.version(LOW)) == ("700", 3)
    assert len(await desk.entries(LOW)) == desk.wire.count("PutParameter") == 2
    with pytest.raises(KeyReused):
        await desk.change(LOW, "650", version=1, key=key)


async def test_of_two_operators_at_once_one_is_told_to_look_again(desk: Desk) -> None:
    async with open_desk(desk.world.stage) as elsewhere:
        for other in (desk.colleague(), elsewhere):
            version = desk.version(LOW)
            outcomes = await asyncio.gather(
                desk.change(LOW, f"60{version}", version=version),
                other.change(LOW, f"70{version}", version=version),
                return_exceptions=True,
            )
            assert sum(isinstance(outcome, ParameterMoved) for outcome in outcomes) == 1, outcomes
            assert desk.version(LOW) == version + 1
    assert await desk.actions(LOW) == ["policy.changed"] * 2


async def test_whoever_comes_while_another_edits_is_told_so_after_a_while(desk: Desk) -> None:
    leases = desk.world.services.leases
    assert await leases.take(LEASE, "somebody", LEASE_LENGTH)
    with pytest.raises(PolicyBeingEdited, match="Another operator is editing"):
        await desk.change(LOW, "600")
    assert await desk.entries(LOW) == []
    desk.world.clock.pass_time(seconds=LEASE_LENGTH.total_seconds() + 1)
    assert (await desk.change(LOW, "600")).applied
    assert await leases.take(LEASE, "somebody", LEASE_LENGTH), "it was given back"


async def test_a_set_with_two_faults_is_mended_one_after_the_other(desk: Desk) -> None:
    cycle = "billing/cycleDays"
    desk.world.set_parameter(LOW, "many")
    desk.world.set_parameter(cycle, "never")
    with pytest.raises(Invalid, match="billing/cycleDays must be a whole number"):
        await desk.change(LOW, "600")
    await desk.change(cycle, "29")
    await desk.change(LOW, "600")
    policy = desk.world.services.policies.current()
    assert (policy.cycle_days, policy.low_tier_limit) == (29, Money(60_000))


async def test_a_fault_of_its_own_is_no_excuse(desk: Desk) -> None:
    desk.world.set_parameter(LOW, "2000")
    with pytest.raises(Invalid, match="limits/lowTier"):
        await desk.change(LOW, "2001")
    assert (await desk.change(LOW, "1500")).applied


async def test_no_phone_number_gets_into_audit_answer_or_log(desk: Desk) -> None:
    numbers = ["5511900000001", "+55 (11) 90000-0002", "90000-0003 55 11"]
    desk.world.set_parameter(APPROVERS, f"[{numbers[0]}")
    people = [{"name": f"Desk {numbers[2]}", "phone": numbers[1]}, {"name": "Eve", "userId": "BR.5511900000004"}]
    desk.wire.strike("PutParameter", "lost before")
    with capture_logs() as logged:
        change = await desk.change(APPROVERS, json.dumps(people))
        with pytest.raises(Refused) as refusal:
            await desk.change(APPROVERS, json.dumps([*people, people[0]]))
    assert logged, "what is not said cannot be looked at"
    assert len(desk.world.services.policies.current().approvers) == 2
    (entry,) = await desk.entries(APPROVERS)
    assert json.loads(entry.previous_value)["value"] == "unreadable, 14 characters"
    shown = json.loads(json.loads(entry.new_value)["value"])
    assert shown == [{"name": "Desk *****-**** 55 11", "phone": "****0002"}, {"name": "Eve", "userId": "****0004"}]
    told = f"{entry} {change} {refusal.value.message} {logged} {await desk.world.rows(STORED_ANSWERS)}"
    assert "90000" not in told
    assert await unapplied(desk.world.services, APPROVERS) is None


async def test_a_typical_entry_costs_one_write_unit(desk: Desk) -> None:
    people = [{"name": f"Operator {number}", "phone": f"551190000000{number}"} for number in range(3)]
    desk.world.set_parameter(APPROVERS, json.dumps(people[:2]))
    await desk.change(APPROVERS, json.dumps(people), reason="Eve joined the desk that decides on requests")
    (row,) = await desk.world.rows(AUDIT_LOGS)
    assert size_of({**row, "userAgent": {"S": BROWSER}}) < WRITE_UNIT_BYTES


async def test_every_parameter_takes_its_own_default(desk: Desk) -> None:
    for name in TUNABLES:
        assert (await desk.change(name, "")).unchanged, name


async def test_a_change_is_taken_into_force_by_reading_ssm_again(desk: Desk) -> None:
    policies: PolicySource = desk.world.services.policies
    desk.world.set_parameter("billing/cycleDays", "28")
    assert policies.current().cycle_days == 30
    await desk.change(LOW, "600")
    assert policies.current().cycle_days == 28
