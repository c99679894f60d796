"""What becomes of a change when something breaks between its entry and SSM."""

import asyncio
import json
import uuid
from typing import Any

import pytest
from structlog.testing import capture_logs

from tazco.kernel.errors import Unavailable
from tazco.platform.aws import AwsError
from tazco.platform.http.errors import as_refusal, status_of
from tazco.platform.leases import LEASES
from tazco.platform.wire import Reply
from tazco.tuning.commands import LEASE, LEASE_LENGTH
from tazco.tuning.model import NotConfirmed, ParameterMoved, PolicyBeingEdited, RefusedBySsm
from tazco.tuning.store import unapplied
from tests.platform.faults import COMMIT, error
from tests.tuning.desk import Desk, open_desk

LOW = "limits/lowTier"
TEMPLATE = "whatsapp/approvalTemplate"
PUT = "PutParameter"
THROTTLED = error(400, "ThrottlingException")


async def killed_at(desk: Desk, operation: str, name: str, text: str, key: str) -> None:
    """The process dies when `operation` has been done and before it hears of it."""
    desk.wire.strike(operation, "hangs after")
    edit = asyncio.create_task(desk.change(name, text, version=desk.version(name), key=key))
    await desk.wire.reached.wait()
    edit.cancel()
    await asyncio.gather(edit, return_exceptions=True)


@pytest.mark.parametrize("operation", [COMMIT, "GetParameter"])
async def test_a_death_between_entry_and_ssm_is_seen_and_the_same_key_finishes(desk: Desk, operation: str) -> None:
    key = str(uuid.uuid4())
    await killed_at(desk, operation, LOW, "600", key)
    assert (desk.text(LOW), await desk.actions(LOW)) == ("500", ["policy.changed"])
    (entry,) = await desk.entries(LOW)
    assert await unapplied(desk.world.services, LOW) == entry
    async with open_desk(desk.world.stage) as elsewhere:
        change = await elsewhere.change(LOW, "600", version=1, key=key)
        assert elsewhere.world.services.policies.current().low_tier_limit == 60_000
    assert (change.applied, desk.text(LOW), desk.version(LOW)) == (True, "600", 2)
    assert await desk.entries(LOW) == [entry]
    assert await unapplied(desk.world.services, LOW) is None


async def test_a_death_after_ssm_keeps_others_away_until_nothing_can_arrive_any_more(desk: Desk) -> None:
    key = str(uuid.uuid4())
    await killed_at(desk, PUT, LOW, "600", key)
    assert desk.version(LOW) == 2
    assert await unapplied(desk.world.services, LOW) is None
    with pytest.raises(PolicyBeingEdited):
        await desk.colleague().change(LOW, "700")
    desk.world.clock.pass_time(seconds=LEASE_LENGTH.total_seconds() + 1)
    assert (await desk.change(LOW, "600", version=1, key=key)).applied
    assert desk.version(LOW) == desk.wire.count(PUT) + 1 == 2
    assert await desk.actions(LOW) == ["policy.changed"]


async def test_a_deletion_that_did_not_happen_is_seen_and_finished(desk: Desk) -> None:
    await desk.change(TEMPLATE, "ask")
    key = str(uuid.uuid4())
    await killed_at(desk, "GetParameter", TEMPLATE, "", key)
    assert await unapplied(desk.world.services, TEMPLATE) == (await desk.entries(TEMPLATE))[-1]
    assert (await desk.change(TEMPLATE, "", version=1, key=key)).version == 0
    assert desk.text(TEMPLATE) is None
    desk.world.set_parameter(TEMPLATE, "by_hand")
    assert await unapplied(desk.world.services, TEMPLATE) is None


async def test_an_older_version_with_the_same_text_does_not_bear_a_change_out(desk: Desk) -> None:
    await desk.change(LOW, "600")
    await killed_at(desk, "GetParameter", LOW, "500", str(uuid.uuid4()))
    assert await unapplied(desk.world.services, LOW) == (await desk.entries(LOW))[-1]


async def test_what_ssm_has_forgotten_counts_as_made(desk: Desk) -> None:
    await desk.change(LOW, "600")
    kept = {"Name": LOW, "Value": "550", "LastModifiedDate": 1.0, "Version": 3}
    for version, made in ((3, True), (2, False)):
        body = json.dumps({"Parameters": [{**kept, "Version": version}]}).encode()
        desk.wire.strike("GetParameterHistory", Reply(200, {}, body))
        assert (await unapplied(desk.world.services, LOW) is None) is made


@pytest.mark.parametrize("faults", [["lost after"], ["lost before"], [error(500, "InternalServerError")], [THROTTLED]], ids=str)
@pytest.mark.parametrize("text", ["ask", ""])
async def test_a_lost_answer_of_ssm_is_found_out(desk: Desk, text: str, faults: list[Any]) -> None:
    if not text:
        await desk.change(TEMPLATE, "old")
    before = desk.version(TEMPLATE)
    desk.wire.calls.clear()
    operation = PUT if text else "DeleteParameter"
    desk.wire.strike(operation, *faults)
    change = await desk.change(TEMPLATE, text)
    assert (desk.text(TEMPLATE), desk.version(TEMPLATE)) == (text or None, 1 - before) == (text or None, change.version)
    assert desk.wire.count(operation) == (1 if faults == ["lost after"] else 2)
    assert (await desk.actions(TEMPLATE))[bool(before) :] == ["policy.changed"]
    settled = faults in (["lost after"], [THROTTLED])
    assert await desk.world.services.leases.take(LEASE, "somebody", LEASE_LENGTH) is settled, "nothing may arrive any more"


async def test_nobody_comes_in_between_while_a_write_may_still_arrive(desk: Desk) -> None:
    desk.wire.strike(PUT, "lost before")
    await desk.change(LOW, "600")
    leases = desk.world.services.leases
    assert not await leases.take(LEASE, "somebody", LEASE_LENGTH)
    desk.world.clock.pass_time(seconds=LEASE_LENGTH.total_seconds() + 1)
    assert await leases.take(LEASE, "somebody", LEASE_LENGTH)


@pytest.mark.parametrize(
    "fault", ["lost before", THROTTLED, error(400, "TooManyUpdates"), error(400, "ExpiredTokenException")], ids=str
)
async def test_ssm_that_stays_away_is_told_and_finished_later(desk: Desk, fault: Any) -> None:
    key = str(uuid.uuid4())
    desk.wire.strike(PUT, *[fault] * 4)
    with pytest.raises(NotConfirmed, match="on record, but SSM has not confirmed it") as refusal:
        await desk.change(LOW, "600", key=key)
    assert status_of(refusal.value) == 503
    assert await unapplied(desk.world.services, LOW) is not None
    desk.world.clock.pass_time(seconds=LEASE_LENGTH.total_seconds() + 1)
    assert (await desk.change(LOW, "600", version=1, key=key)).version == 2
    assert await desk.actions(LOW) == ["policy.changed"]


async def test_a_throttled_look_leaves_nothing(desk: Desk) -> None:
    desk.wire.strike("GetParametersByPath", *[THROTTLED] * 4)
    with pytest.raises(AwsError) as failure:
        await desk.change(LOW, "600")
    refusal = as_refusal(failure.value)
    assert isinstance(refusal, Unavailable)
    assert status_of(refusal) == 503
    assert await desk.entries(LOW) == []
    assert (await desk.change(LOW, "600")).applied


async def test_a_refusal_of_ssm_is_told_recorded_and_final_for_its_key(desk: Desk) -> None:
    key = str(uuid.uuid4())
    desk.wire.strike(PUT, error(400, "AccessDeniedException", Message="not 5511900000001"))
    for _ in range(2):
        with pytest.raises(RefusedBySsm, match=r"\(AccessDeniedException\): the value stays as it was. Allow the program's role"):
            await desk.change(LOW, "600", version=1, key=key)
    assert desk.wire.count(PUT) == 1
    assert desk.text(LOW) == "500"
    assert await desk.actions(LOW) == ["policy.changed", "policy.change_failed"]
    changed, failed = await desk.entries(LOW)
    assert json.loads(failed.new_value) == {"version": 1, "failure": "AccessDeniedException"}
    assert failed.reason == changed.reason
    assert await unapplied(desk.world.services, LOW) == changed
    assert (await desk.change(LOW, "600")).version == 2
    assert await unapplied(desk.world.services, LOW) is None


@pytest.mark.parametrize(("name", "first"), [(LOW, "500"), (TEMPLATE, None)])
async def test_somebody_outside_who_is_faster_keeps_what_he_did(desk: Desk, name: str, first: str | None) -> None:
    key = str(uuid.uuid4())
    version = desk.version(name)
    assert desk.text(name) == first
    desk.wire.before["GetParameter" if first else PUT] = lambda: desk.world.set_parameter(name, "550")
    for _ in range(2):
        with pytest.raises(ParameterMoved, match=f"SSM has version {version + 1}, not"):
            await desk.change(name, "600", version=version, key=key)
    assert desk.text(name) == "550"
    assert await desk.actions(name) == ["policy.changed", "policy.change_failed"]
    assert json.loads((await desk.entries(name))[-1].new_value)["failure"] == "VERSION_CONFLICT"
    assert await unapplied(desk.world.services, name) == (await desk.entries(name))[0]


async def test_a_repetition_does_not_come_after_what_others_did_since(desk: Desk) -> None:
    key = str(uuid.uuid4())
    await killed_at(desk, "GetParameter", TEMPLATE, "ask", key)
    await desk.colleague().change(TEMPLATE, "other")
    await desk.colleague().change(TEMPLATE, "")
    with pytest.raises(ParameterMoved, match="Another change of whatsapp/approvalTemplate is on record since"):
        await desk.change(TEMPLATE, "ask", version=0, key=key)
    assert desk.text(TEMPLATE) is None
    assert await desk.actions(TEMPLATE) == ["policy.changed"] * 3


async def test_a_holder_whose_lease_ran_out_leaves_ssm_to_the_next_one(desk: Desk) -> None:
    world = desk.world

    def taken_over() -> None:
        until = {"N": str(int(world.clock().timestamp() * 1000) + 60_000)}
        row = {"entityKey": {"S": f"lease#{LEASE}"}, "owner": {"S": "somebody"}, "untilMs": until}
        world.stage.clients.dynamodb.put_item(TableName=world.services.database.physical_name(LEASES), Item=row)

    key = str(uuid.uuid4())
    desk.wire.before[COMMIT] = taken_over
    with pytest.raises(PolicyBeingEdited):
        await desk.change(LOW, "600", key=key)
    assert desk.wire.count(PUT) == 0
    assert not await world.services.leases.take(LEASE, "anybody", LEASE_LENGTH), "it gave away what was not its own"
    world.clock.pass_time(seconds=61)
    assert (await desk.change(LOW, "600", version=1, key=key)).version == 2


async def test_a_change_that_got_another_version_is_found_again(desk: Desk) -> None:
    key = str(uuid.uuid4())
    desk.wire.before[PUT] = lambda: desk.world.set_parameter(LOW, "550")
    await killed_at(desk, PUT, LOW, "600", key)
    desk.world.clock.pass_time(seconds=LEASE_LENGTH.total_seconds() + 1)
    assert (await desk.change(LOW, "600", version=1, key=key)).version == 3
    assert desk.version(LOW) == 3


async def test_a_change_from_outside_at_the_very_moment_is_overwritten_and_logged(desk: Desk) -> None:
    desk.wire.before[PUT] = lambda: desk.world.set_parameter(LOW, "550")
    with capture_logs() as lines:
        change = await desk.change(LOW, "600")
    assert (change.version, desk.text(LOW)) == (3, "600")
    assert [(line["event"], line["recorded"], line["version"]) for line in lines if "recorded" in line] == [
        ("policy.overwrote", 2, 3)
    ]
    assert await unapplied(desk.world.services, LOW) is None
