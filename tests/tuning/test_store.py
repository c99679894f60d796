"""What operators are shown of the policy: as SSM holds it now."""

import json
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tazco.kernel.clock import system_clock
from tazco.platform.policy import TUNABLES
from tazco.tuning.model import ParameterUnknown
from tazco.tuning.store import APPROVERS, audited, history, parameters, problem
from tests.tuning.desk import Desk

LOW = "limits/lowTier"
TEMPLATE = "whatsapp/approvalTemplate"


async def test_every_parameter_is_shown_in_the_order_of_the_policy_and_strangers_come_last(desk: Desk) -> None:
    desk.world.set_parameter("zebra", "1")
    desk.world.set_parameter("limits/lowteir", "600")
    desk.world.set_parameter(LOW, "612.34")
    found = await parameters(desk.world.services)
    assert [each.name for each in found] == [*TUNABLES, "limits/lowteir", "zebra"]
    assert {each.name for each in found if not each.known} == {"limits/lowteir", "zebra"}
    low = found[0]
    assert (low.name, low.meaning, low.default, low.text) == (LOW, "highest limit of a low tier", "500", "612.34")
    assert (low.source.value, low.version) == ("ssm", 2)
    assert low.modified_at is not None
    assert abs(low.modified_at - system_clock()) < timedelta(minutes=1)
    template = next(each for each in found if each.name == TEMPLATE)
    assert (template.text, template.default, template.source.value, template.version) == (None, None, "default", 0)
    assert desk.world.services.policies.current().low_tier_limit == 50_000, "SSM as it is, not as this process knows it"
    assert "612.34" not in repr(low)


async def test_it_is_said_why_the_whole_is_invalid(desk: Desk) -> None:
    policies = desk.world.services.policies
    assert problem(policies, await parameters(desk.world.services)) is None
    desk.world.set_parameter("unheard/of", "x")
    assert problem(policies, await parameters(desk.world.services)) is None
    desk.world.set_parameter(LOW, "2000")
    assert "limits/lowTier ≤ limits/mediumTier" in (problem(policies, await parameters(desk.world.services)) or "")
    desk.world.set_parameter(LOW, "many")
    assert problem(policies, await parameters(desk.world.services)) == "limits/lowTier must be a number"


async def test_the_history_is_newest_first_over_all_pages(desk: Desk) -> None:
    for limit in range(501, 561):
        desk.world.set_parameter(LOW, str(limit))
    found = await history(desk.world.services, LOW)
    assert [(each.version, each.text) for each in found] == [(limit - 499, str(limit)) for limit in range(560, 499, -1)]
    assert all(abs(each.modified_at - system_clock()) < timedelta(minutes=1) for each in found)
    assert found[0].modified_by == "arn:aws:iam::000000000000:root"
    assert desk.wire.count("GetParameterHistory") == 2


async def test_what_ssm_does_not_hold_has_no_history_and_what_is_no_parameter_is_refused(desk: Desk) -> None:
    assert await history(desk.world.services, TEMPLATE) == ()
    with pytest.raises(ParameterUnknown):
        await history(desk.world.services, "../other/secret")


@given(st.from_regex(r"[0-9]{8,15}", fullmatch=True), st.text(" -./()", max_size=3))
def test_of_a_phone_number_the_audit_keeps_four_digits(phone: str, between: str) -> None:
    spelled = between.join(phone)
    text = json.dumps([{"name": f"Eve {spelled}", "phone": spelled}])
    kept = audited(APPROVERS, text) or ""
    assert sum(character.isdigit() for character in kept) <= 8
    assert kept.endswith(f'{phone[-4:]}"}}]')


def test_other_texts_are_audited_as_they_are() -> None:
    assert audited("limits/highTier", "10000000") == "10000000"
    assert audited(TEMPLATE, None) is None
