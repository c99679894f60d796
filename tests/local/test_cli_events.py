"""`tazco events`: what waits, what comes over the bus, and both sent again."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tazco.audit.store import AUDIT_LOGS
from tazco.local.event_tail import MARK
from tazco.platform.marks import mark_published
from tazco.platform.outbox import DEAD_LETTERS, OUTBOX
from tests.contract.seeds import ago, plain, row
from tests.contract.test_admin_events import seed_dead_letter, seed_event
from tests.local.commands import tazco
from tests.processes import free_port
from tests.stage import Stage
from tests.world import World

READY = "watching"
ENDS_SECONDS_MAX = 60


@pytest.fixture(autouse=True)
async def clean(world: World) -> None:
    """Every test starts with an empty outbox."""
    await world.services.database.delete_all(OUTBOX, [OUTBOX.key_of(item) for item in await world.rows(OUTBOX)])


@contextmanager
def watching(folder: Path, environment: Mapping[str, str], *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """`tazco events tail`, ready."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "TAZCO_"))}
    child = subprocess.Popen(
        (sys.executable, "-m", "tazco", "events", "tail", *arguments),
        cwd=folder,
        env={**inherited, "COLUMNS": "200", "NO_COLOR": "1", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert child.stderr is not None
        told = ""
        while READY not in told:
            line = child.stderr.readline()
            assert line, told
            told += line
        yield child
        child.terminate()
        child.communicate(timeout=ENDS_SECONDS_MAX)
    finally:
        child.kill()
        child.communicate()


def lines(child: subprocess.Popen[str], count: int) -> list[str]:
    """So many lines of what it prints."""
    assert child.stdout is not None
    return [child.stdout.readline() for _ in range(count)]


def publish(stage: Stage, *details: dict[str, Any]) -> None:
    """Envelopes onto the bus, past our relay."""
    entries: Any = [
        {
            "Source": stage.names.event_source,
            "DetailType": detail["eventType"],
            "Detail": json.dumps(detail),
            "EventBusName": stage.names.event_bus,
        }
        for detail in details
    ]
    assert stage.clients.events.put_events(Entries=entries)["FailedEntryCount"] == 0


def envelope(number: int, **others: Any) -> dict[str, Any]:
    """An envelope as the relay sends it."""
    return {
        "eventId": f"event-{number}",
        "eventType": "transaction.purchase",
        "aggregateType": "card",
        "aggregateId": "card-1",
        "sequence": number,
        "schemaVersion": 1,
        "ecosystemId": "user-77",
        "occurredAt": f"2031-04-05T06:07:{number:02}.090Z",
        "requestId": "r-1",
        "payload": {"amount": 10.5, "merchant": "Shop " * 40},
        **others,
    }


def left_over(stage: Stage) -> tuple[list[str], list[str]]:
    """Rules and queues of tails."""
    prefix = stage.names.table_prefix + MARK
    rules = stage.clients.events.list_rules(EventBusName=stage.names.event_bus, NamePrefix=prefix)["Rules"]
    queues = stage.clients.sqs.list_queues(QueueNamePrefix=prefix).get("QueueUrls", [])
    return [rule["Name"] for rule in rules], [queue.rsplit("/", 1)[-1] for queue in queues]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_tail_prints_what_comes_and_leaves_nothing_behind(tmp_path: Path, stage: Stage, number: signal.Signals) -> None:
    with watching(tmp_path, stage.environment) as child:
        ((rule,), (queue,)) = left_over(stage)
        assert rule == queue
        publish(stage, envelope(1), envelope(2, eventType="card.suspended", payload={"cardId": "card-1"}))
        first, second = lines(child, 2)
        assert re.match(r"2031-04-05T06:07:01\.090Z +transaction\.purchase +card/card-1 +#1 +\{\"amount\":10\.5,.*…$", first)
        assert second.endswith('card.suspended          card/card-1                                    #2    {"cardId":"card-1"}\n')
        child.send_signal(number)
        said, told = child.communicate(timeout=ENDS_SECONDS_MAX)
        assert (child.returncode, said) == (0, "")
        assert "removed" in told
        assert "Traceback" not in told
    assert left_over(stage) == ([], [])


@pytest.mark.parametrize(
    ("option", "value"),
    [("--type", "card.suspended"), ("--aggregate", "cardRequest/a/b"), ("--person", "user-9")],
)
def test_a_tail_shows_only_what_is_asked_for_each_a_line_of_json(tmp_path: Path, stage: Stage, option: str, value: str) -> None:
    wanted = {
        "--type": {"eventType": "card.suspended"},
        "--aggregate": {"aggregateType": "cardRequest", "aggregateId": "a/b"},
        "--person": {"ecosystemId": "user-9"},
    }[option]
    with watching(tmp_path, stage.environment, option, value, "--json") as child:
        publish(stage, envelope(1), envelope(2, **wanted), envelope(3, aggregateId="card-2"), envelope(4, **wanted))
        found = [json.loads(line) for line in lines(child, 2)]
    assert found == [envelope(2, **wanted), envelope(4, **wanted)]


def test_what_a_killed_tail_left_is_removed_by_the_next_and_a_living_one_stays(tmp_path: Path, stage: Stage) -> None:
    events, sqs, bus = stage.clients.events, stage.clients.sqs, stage.names.event_bus
    dead, living, foreign = (f"{stage.names.table_prefix}{MARK}{name}" for name in ("dead", "living", "foreign"))
    for name, told in (
        (dead, "alive until 2020-01-01T00:00:00.000Z"),
        (living, "alive until 2090-01-01T00:00:00.000Z"),
        (foreign, "x"),
    ):
        events.put_rule(Name=name, EventBusName=bus, EventPattern='{"source":["nobody"]}', Description=told)
        sqs.create_queue(QueueName=name)
    with watching(tmp_path, stage.environment):
        rules, queues = left_over(stage)
        assert dead not in rules + queues
        assert {living, foreign} <= set(rules) & set(queues)
    assert sorted(left_over(stage)[0]) == sorted([living, foreign])
    for name in (living, foreign):
        events.delete_rule(Name=name, EventBusName=bus)
        sqs.delete_queue(QueueUrl=sqs.get_queue_url(QueueName=name)["QueueUrl"])


@pytest.mark.parametrize(
    ("arguments", "cure"),
    [
        (("tail", "--type", "card.stolen"), "card.suspended"),
        (("tail", "--aggregate", "card-1"), "TYPE/ID"),
        (("list", "--status", "sent"), "dead_letter"),
        (("redrive",), "--all"),
        (("redrive", "event-1", "--all"), "--all"),
        (("redrive", "event-1"), "tazco events replay"),
        (("replay",), "--since"),
        (("replay", "--aggregate", "/x"), "TYPE/ID"),
        (("replay", "--since", "yesterday"), "30m"),
        (("replay", "--since", "99999999999d"), "30m"),
    ],
)
def test_what_makes_no_sense_is_refused_with_the_cure(tmp_path: Path, stage: Stage, arguments: Sequence[str], cure: str) -> None:
    ran = tazco(tmp_path, "events", *arguments, environment=stage.environment)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert cure in ran.stderr
    assert "Traceback" not in ran.stderr


@pytest.mark.parametrize("arguments", [("list",), ("tail",), ("redrive", "--all"), ("replay", "--since", "1h")])
def test_an_endpoint_at_which_nobody_listens_is_told_at_once(tmp_path: Path, stage: Stage, arguments: Sequence[str]) -> None:
    dead = stage.environment_at(f"http://127.0.0.1:{free_port()}")
    ran = tazco(tmp_path, "events", *arguments, environment=dead)
    assert ran.returncode == 2
    assert dead["AWS_ENDPOINT_URL"] in ran.stderr


async def test_events_that_wait_are_listed_oldest_first(tmp_path: Path, stage: Stage, world: World) -> None:
    late = await seed_event(world, createdAt=ago(world, minutes=1), retryCount=2, lastError="Throttled", nextRetryAt=ago(world))
    early = await seed_event(world, createdAt=ago(world, minutes=9))
    dead = await seed_dead_letter(world)
    ran = tazco(tmp_path, "events", "list", environment=stage.environment)
    assert ran.returncode == 0, ran.stderr
    assert next(line for line in ran.stdout.splitlines() if early in line).split()[1:4] == [
        "card.suspended",
        f"card/card-{early}",
        "#1",
    ]
    assert ran.stdout.index(early) < ran.stdout.index(late)
    assert "Throttled" in ran.stdout
    assert dead not in ran.stdout
    (shown,) = json.loads(
        tazco(tmp_path, "events", "list", "--status", "dead_letter", "--json", environment=stage.environment).stdout
    )
    assert (shown["eventId"], shown["status"], shown["payload"]["amount"]) == (dead, "dead_letter", 10.5)
    cut = tazco(tmp_path, "events", "list", "--first", "1", environment=stage.environment)
    assert early in cut.stdout
    assert late not in cut.stdout
    assert "--first 10" in cut.stderr


async def test_a_dead_letter_is_redriven_and_written_down_as_the_deed_of_who_runs_it(
    tmp_path: Path, stage: Stage, world: World
) -> None:
    event_id = await seed_dead_letter(world)
    environment = {**stage.environment, "LOGNAME": "grace"}
    ran = tazco(tmp_path, "events", "redrive", event_id, environment=environment)
    assert (ran.returncode, ran.stdout) == (0, "✓ 1 event redriven\n"), ran.stderr
    assert (await row(world, OUTBOX, event_id))["pendingShard"] != DEAD_LETTERS
    (deed,) = [plain(item) for item in await world.rows(AUDIT_LOGS) if item["targetId"]["S"] == event_id]
    assert (deed["actorId"], deed["action"], deed["userAgent"].split("/")[0]) == ("cli:grace", "event.redriven", "tazco")


async def test_an_event_is_redriven_beside_a_process_that_serves_the_metrics(tmp_path: Path, stage: Stage, world: World) -> None:
    event_id = await seed_dead_letter(world)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        ran = tazco(tmp_path, "events", "redrive", event_id, environment={**stage.environment, "TAZCO_METRICS_PORT": port})
    assert ran.returncode == 0, ran.stderr


async def test_all_dead_letters_are_redriven_only_when_somebody_says_so(tmp_path: Path, stage: Stage, world: World) -> None:
    dead = [await seed_dead_letter(world) for _ in range(3)]
    asked = tazco(tmp_path, "events", "redrive", "--all", environment=stage.environment)
    assert (asked.returncode, asked.stdout) == (2, "")
    assert "Redrive 3 dead letters?" in asked.stderr
    assert "--yes" in asked.stderr
    denied = tazco(tmp_path, "events", "redrive", "--all", environment=stage.environment, typed="n\n")
    assert (denied.returncode, denied.stdout) == (1, "")
    assert {(await row(world, OUTBOX, event_id))["pendingShard"] for event_id in dead} == {DEAD_LETTERS}
    ran = tazco(tmp_path, "events", "redrive", "--all", "--yes", "--json", environment=stage.environment)
    assert (ran.returncode, json.loads(ran.stdout)) == (0, {"redriven": 3}), ran.stderr
    assert DEAD_LETTERS not in {(await row(world, OUTBOX, event_id))["pendingShard"] for event_id in dead}
    again = tazco(tmp_path, "events", "redrive", "--all", environment=stage.environment)
    assert (again.returncode, again.stdout) == (0, "✓ 0 events redriven\n")


async def sent(world: World, aggregate_id: str, count: int) -> list[str]:
    """Events of an aggregate that a relay has sent, in order."""
    found = [
        await seed_event(world, eventId=f"{aggregate_id}-{number}", aggregateId=aggregate_id, sequence=number)
        for number in range(1, count + 1)
    ]
    for each in await world.services.database.rows(OUTBOX, [(event_id,) for event_id in found]):
        assert await mark_published(world.services.database, each, world.clock())
    return found


async def test_what_was_sent_comes_over_the_bus_again_in_order_under_the_same_ids(
    tmp_path: Path, stage: Stage, world: World
) -> None:
    mine, others = await sent(world, "card/1", 5), await sent(world, "card-2", 2)
    await seed_event(world, aggregateId="card/1", sequence=6)
    with watching(tmp_path, stage.environment, "--json") as child:
        ran = tazco(tmp_path, "events", "replay", "--aggregate", "card/card/1", "--yes", environment=stage.environment)
        assert ran.returncode == 0, ran.stderr
        assert "5 of 5 events are sent again" in ran.stderr
        came = [json.loads(line) for line in lines(child, 5)]
        assert [each["eventId"] for each in came] == mine
        assert [each["sequence"] for each in came] == [1, 2, 3, 4, 5]
        assert came[0]["payload"] == {"cardId": "card/1", "amount": 10.5}
        ran = tazco(tmp_path, "events", "replay", "--since", "1h", "--yes", "--json", environment=stage.environment)
        assert json.loads(ran.stdout) == {"chosen": 7, "dryRun": False, "sent": 7, "gone": 0, "refused": []}
        assert sorted(json.loads(line)["eventId"] for line in lines(child, 7)) == sorted(mine + others)


async def test_a_dry_run_and_an_unanswered_question_send_nothing(tmp_path: Path, stage: Stage, world: World) -> None:
    await sent(world, "card-3", 4)
    dry = tazco(tmp_path, "events", "replay", "--type", "card.suspended", "--dry-run", environment=stage.environment)
    assert dry.returncode == 0, dry.stderr
    assert dry.stdout.splitlines()[1].split()[:3] == ["card.suspended", "4", "1"]
    told = tazco(tmp_path, "events", "replay", "--since", "1h", "--dry-run", "--json", environment=stage.environment)
    assert json.loads(told.stdout) == {"chosen": 4, "dryRun": True}
    asked = tazco(tmp_path, "events", "replay", "--since", "1h", environment=stage.environment)
    assert asked.returncode == 2
    assert "Send 4 events" in asked.stderr
    nothing = tazco(tmp_path, "events", "replay", "--until", "1h", environment=stage.environment)
    assert (nothing.returncode, "no event" in nothing.stdout) == (0, True)
