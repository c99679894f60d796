"""Each process may do what it does, and nothing that it does not do."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest

import tazco
from tazco.approvals.reactions import expire_unanswered, sweep
from tazco.card_requests.store import CARD_REQUESTS
from tazco.deployment.resources_stack import resources_stack
from tazco.deployment.rights import DELETE, TABLES, UPDATE, Kind
from tazco.deployment.roles import RELAYS, role_id
from tazco.deployment.template import Declarations, Json
from tazco.platform.aws import Transport
from tazco.platform.relaying import Relay
from tazco.platform.services import Services
from tazco.slices import REACTIONS, SUBSCRIPTIONS, TIMERS
from tazco.slices import TABLES as DECLARED
from tazco.worker import work
from tests.approvals.desk import DEFAULTS, ONE, Desk
from tests.approvals.test_commands import left_lying
from tests.console.lived_in import LivedIn, live
from tests.console.office import Office, signed_in
from tests.console.test_every_page import GUARDED
from tests.contract.seeds import row, with_policy
from tests.contract.test_admin_events import seed_dead_letter
from tests.deployment.recording import TESTS_LOOK, Recording, Right, granted
from tests.stage import Stage
from tests.stand_in import RunningStandIn, stand_in_running
from tests.tuning.desk import Desk as Tuning
from tests.tuning.desk import Disturbed
from tests.world import Person, World, open_services, open_world

HERE = Declarations(tables=DECLARED, subscriptions=SUBSCRIPTIONS)
BELOW_THE_PATH: Right = ("ssm:GetParametersByPath", "policy/*")
"""AWS documents examples with the path and with what is below it; both are granted, one of them is asked for."""

BY_CODE: Right = ("dynamodb:Query", "PendingApprovalsTable/index/TrackersByCode")
"""For an instruction whose code has no row any more, as one left from before the code was closed."""

UNSEEN: dict[Kind, set[Right]] = {
    Kind.API: {
        BELOW_THE_PATH,
        BY_CODE,
        ("dynamodb:Query", "WhatsappInboundTable/index/BySenderPhone"),  # for the timeline of a person with several approvers
        ("dynamodb:Query", "WhatsappNotificationsTable/index/ByProviderMessage"),  # for a status that comes without our reference
    },
    Kind.RELAY: {BELOW_THE_PATH},
    Kind.WORKER: {
        BELOW_THE_PATH,
        BY_CODE,
        ("sqs:ChangeMessageVisibility", "NotificationsQueue"),  # for what takes long or has failed
        ("sqs:ChangeMessageVisibility", "TallyQueue"),  # as above
    },
}
"""What is granted and not used here, each with its reason."""

LISTS = (
    "/health/readiness",
    "/v1/admin/audit-logs?actorId=somebody",
    "/v1/admin/events?status=dead_letter",
    "/v1/admin/notifications",
)


@pytest.fixture(scope="module")
def roles() -> dict[Kind, Json]:
    """The roles of the template."""
    resources = resources_stack(HERE)["Resources"]
    return {kind: resources[role_id(kind)] for kind in Kind}


@dataclass(frozen=True, slots=True)
class House:
    """The programme as it runs in an account: three processes, each with a recording of its own."""

    desk: Desk
    worker: Services
    recordings: dict[Kind, Recording]


@asynccontextmanager
async def open_house(stage: Stage) -> AsyncIterator[House]:
    """API, relay and worker, in this process, over one stage."""
    recordings = {kind: Recording(stage.names) for kind in Kind}
    async with stand_in_running() as stand_in, open_world(stage, transport=recordings[Kind.API], **stand_in.settings) as world:
        await with_policy(world, **{**DEFAULTS, "whatsapp__expiryRejects": "true"})
        async with (
            _beside(stage, stand_in, world, recordings[Kind.RELAY]) as relay,
            _beside(stage, stand_in, world, recordings[Kind.WORKER]) as worker,
        ):
            stop = asyncio.Event()
            async with asyncio.TaskGroup() as group:
                group.create_task(Relay.of(relay).run(stop))
                group.create_task(work(worker, REACTIONS, TIMERS, stop))
                try:
                    yield House(Desk(world, stand_in), worker, recordings)
                finally:
                    stop.set()


@asynccontextmanager
async def _beside(stage: Stage, stand_in: RunningStandIn, world: World, transport: Transport) -> AsyncIterator[Services]:
    async with open_services(stage, world.clock, transport=transport, **stand_in.settings) as services:
        yield services


async def test_every_process_does_what_its_role_allows_and_nothing_else(stage: Stage, roles: dict[Kind, Json]) -> None:
    async with open_house(stage) as house:
        await lived(house)
    for kind, recording in house.recordings.items():
        allowed = granted(roles[kind])
        assert recording.seen <= allowed, f"{kind} needs {sorted(recording.seen - allowed)}"
        unused = allowed - recording.seen
        assert unused <= UNSEEN[kind], f"{kind} never uses {sorted(unused - UNSEEN[kind])}"


async def lived(house: House) -> None:
    """A day in the house: everything that people and time do to it."""
    desk = house.desk
    world, stand_in = desk.world, desk.stand_in
    lived_in = await live(Office(world, "", stand_in, cast("Any", None)))
    asked = await desk.asked()
    await stand_in.next_message(ONE)
    assert (await desk.taps(f"approve:{asked.code}"))["action"] == "approved"
    typed = await desk.asked()
    bubble = await stand_in.next_message(ONE, after=stand_in.received(ONE)[-1])
    assert (await desk.says(f"n {typed.code}"))["action"] == "rejected"
    await desk.says("y ZZZZZZ")
    payer, card_id = await world.cardholder()
    await payer.buy(card_id, 20)
    paid = await payer.pay(card_id, 20)
    bubble = await stand_in.next_message(ONE, after=bubble)
    await desk.hear(stand_in.status(bubble.id, "read"))
    operator = await world.operator()
    for path in LISTS:
        await operator.get(path)
    await redriven(world, operator)
    await looked_at(world, lived_in, asked.request_id, str(paid.body["transaction"]["transactionId"]))
    await tuned(world)
    await left_to_the_worker(house)


async def redriven(world: World, operator: Person) -> None:
    """A dead letter tries again, and is told to once more before it has."""
    event_id = await seed_dead_letter(world, nextRetryAt=None)
    for _ in range(2):
        await operator.post(f"/v1/admin/events/{event_id}/redrive", {})


async def looked_at(world: World, lived_in: LivedIn, decided_by_phone: str, announced: str) -> None:
    """Every page of the console but the approver's phone, which is for `tazco dev`; at last the operator leaves."""
    await signed_in(world, world.http)
    for path in sorted(set(GUARDED) - {"/console/phone"}):
        for address in lived_in.addresses(path):
            reply = await world.http.get(address)
            assert reply.status_code < 400, (address, reply.text[:300])
    for wanted in (lived_in.card_id, announced, "somebody@example.com", "nothing-of-the-kind"):
        await world.http.get("/console/find", params={"q": wanted})
    for kind, key in (("correlation", "r-1"), ("request", decided_by_phone)):
        await world.http.get("/console/timeline", params={"kind": kind, "id": key, "stories": "all"})
    form = re.findall(r'name="form" value="(\w+)"', (await world.http.get("/console", follow_redirects=True)).text)[0]
    assert (await world.http.post("/console/sign-out", data={"form": form})).status_code == 303


async def tuned(world: World) -> None:
    """A parameter set, and taken away again."""
    desk = Tuning(world, Disturbed())
    await desk.change("whatsapp/approvalTemplate", "ask_approver")
    await desk.change("whatsapp/approvalTemplate", "")


async def left_to_the_worker(house: House) -> None:
    """A question that may need a template, an instruction that a process that died left lying, and a question that nobody answers."""
    desk = house.desk
    desk.world.set_parameter("whatsapp/approvalTemplate", "ask_approver")
    await house.worker.policies.refresh()
    before = desk.stand_in.received(ONE)[-1]
    left, unanswered = await desk.asked(), await desk.asked()
    await desk.stand_in.next_message(ONE, after=before)
    await left_lying(desk, left, "wamid.left", seconds_ago=120)
    await left_lying(desk, left, "wamid.stale", seconds_ago=120, command="approve ZZZZZZ")
    await sweep(house.worker)
    assert await desk.status(left) == "approved"
    desk.world.clock.pass_time(hours=25)
    await expire_unanswered(house.worker)
    request = await row(desk.world, CARD_REQUESTS, unanswered.person.ecosystem_id, unanswered.request_id)
    assert request["status"] == "rejected"


async def test_an_api_that_relays_too_may_do_what_the_relay_may(roles: dict[Kind, Json]) -> None:
    both = granted(roles[Kind.API], **{RELAYS: True})
    assert granted(roles[Kind.RELAY]) <= both
    assert both - granted(roles[Kind.API]) == granted(roles[Kind.RELAY]) - granted(roles[Kind.API])
    assert ("events:PutEvents", "Bus") not in granted(roles[Kind.API])


def test_nobody_changes_or_deletes_what_is_in_the_audit_log(roles: dict[Kind, Json]) -> None:
    changing = {f"dynamodb:{action}" for action in (UPDATE, DELETE, "DeleteItem")}
    allowed: set[Right] = set().union(*(granted(role, **{RELAYS: True}) for role in roles.values()))
    assert not {(action, place) for action, place in allowed if place.startswith("AuditLogs") and action in changing}
    assert {place for action, place in allowed if action == f"dynamodb:{DELETE}"} == {"IdempotencyTable"}


def test_every_table_and_index_that_is_named_is_declared(roles: dict[Kind, Json]) -> None:
    declared = {table.name: {index.name for index in table.indexes} for table in DECLARED}
    for kind in Kind:
        for table, rights in TABLES[kind].items():
            assert set(rights.indexes) <= declared[table]
    text = json.dumps(list(roles.values()))
    assert '"*"' not in text
    assert "dynamodb:*" not in text


def test_the_program_never_asks_for_one_row_alone() -> None:
    sources = [path.read_text() for path in Path(tazco.__file__).parent.rglob("*.py")]
    assert not [text for text in sources if f'call("{TESTS_LOOK}"' in text]
