"""`tazco queues`: what waits, and dead letters sent back."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tazco.local.queue_states import QueueState
from tazco.local.terminal import duration_text
from tazco.platform.messaging import dead_letter_name, queue_name, undelivered_name
from tazco.slices import SUBSCRIPTIONS
from tests.local.commands import tazco
from tests.processes import free_port
from tests.stage import Stage

(FIRST, *_) = SUBSCRIPTIONS


def url(stage: Stage, name: str) -> str:
    """Where a queue is."""
    return stage.clients.sqs.get_queue_url(QueueName=name)["QueueUrl"]


def put(stage: Stage, name: str, *bodies: str) -> None:
    """Messages into a queue."""
    for start in range(0, len(bodies), 10):
        entries: Any = [{"Id": str(n), "MessageBody": body} for n, body in enumerate(bodies[start : start + 10])]
        assert not stage.clients.sqs.send_message_batch(QueueUrl=url(stage, name), Entries=entries).get("Failed")


def taken(stage: Stage, name: str) -> list[str]:
    """Every message of a queue, which is empty afterwards."""
    found: list[str] = []
    while True:
        messages = stage.clients.sqs.receive_message(QueueUrl=url(stage, name), MaxNumberOfMessages=10).get("Messages", [])
        if not messages:
            return sorted(found)
        for message in messages:
            found.append(message["Body"])
            stage.clients.sqs.delete_message(QueueUrl=url(stage, name), ReceiptHandle=message["ReceiptHandle"])


@pytest.fixture
def names(stage: Stage) -> Iterator[tuple[str, str, str]]:
    """A queue, its dead letters, and what could not be delivered; all empty, before and after."""
    given = queue_name(stage.names, FIRST), dead_letter_name(stage.names, FIRST), undelivered_name(stage.names)
    for name in given:
        stage.clients.sqs.set_queue_attributes(QueueUrl=url(stage, name), Attributes={"ReceiveMessageWaitTimeSeconds": "0"})
    yield given
    for name in given:
        taken(stage, name)


def states(tmp_path: Path, stage: Stage) -> dict[str, Any]:
    """What `tazco queues --json` says, by name."""
    ran = tazco(tmp_path, "queues", "--json", environment=stage.environment)
    assert ran.returncode == 0, ran.stderr
    return {each["name"]: each for each in json.loads(ran.stdout)}


def test_every_queue_is_shown_with_its_dead_letters_and_what_was_not_delivered(
    tmp_path: Path, stage: Stage, names: tuple[str, str, str]
) -> None:
    queue, dead, _ = names
    put(stage, queue, "a", "b")
    put(stage, dead, "c")
    found = states(tmp_path, stage)
    assert set(found) == {undelivered_name(stage.names)} | {
        name for each in SUBSCRIPTIONS for name in (queue_name(stage.names, each), dead_letter_name(stage.names, each))
    }
    assert all(set(each) == set(QueueState.__slots__) for each in found.values())
    assert (found[queue]["dead"], found[queue]["waiting"], found[queue]["oldest_seconds"]) == (False, 2, None)
    assert (found[dead]["dead"], found[dead]["waiting"]) == (True, 1)
    assert 0 <= found[dead]["oldest_seconds"] < 30


def test_looking_takes_nothing_away(tmp_path: Path, stage: Stage, names: tuple[str, str, str]) -> None:
    _, dead, undelivered = names
    put(stage, dead, *"abc")
    put(stage, undelivered, "d")
    for _ in range(2):
        found = states(tmp_path, stage)
        assert (found[dead]["waiting"], found[dead]["in_flight"], found[undelivered]["waiting"]) == (3, 0, 1)
    assert (taken(stage, dead), taken(stage, undelivered)) == (["a", "b", "c"], ["d"])


def test_for_a_person_it_is_a_table_that_points_to_dead_letters(tmp_path: Path, stage: Stage, names: tuple[str, str, str]) -> None:
    queue, dead, _ = names
    put(stage, dead, "c")
    ran = tazco(tmp_path, "queues", environment=stage.environment)
    lines = {line.split()[0]: line.split()[1:] for line in ran.stdout.splitlines()}
    assert lines["queue"] == ["waiting", "in", "flight", "delayed", "oldest", "dead", "letter"]
    assert lines[queue] == ["0", "0", "0", "–"]  # noqa: RUF001  # an en dash: nothing to tell
    assert lines[dead][:3] == ["1", "0", "0"]
    assert lines[dead][4] == "s"
    assert f"dead letters in {dead}" in ran.stderr


@pytest.mark.parametrize("given", ["short", "long", "dead"])
def test_dead_letters_go_back_to_their_queue_however_it_is_named(
    tmp_path: Path, stage: Stage, names: tuple[str, str, str], given: str
) -> None:
    queue, dead, _ = names
    bodies = [f"{number:02}" for number in range(63)]
    put(stage, dead, *bodies)
    name = {"short": FIRST.queue, "long": queue, "dead": dead}[given]
    ran = tazco(tmp_path, "queues", "redrive", name, environment=stage.environment)
    assert ran.returncode == 0, ran.stderr
    assert f"63 of 63 dead letters went back to {queue}" in ran.stdout
    assert (taken(stage, dead), taken(stage, queue)) == ([], bodies)


def test_with_nothing_to_redrive_it_says_so(tmp_path: Path, stage: Stage, names: tuple[str, str, str]) -> None:
    queue, dead, _ = names
    ran = tazco(tmp_path, "queues", "redrive", FIRST.queue, environment=stage.environment)
    assert (ran.returncode, ran.stdout) == (0, f"{dead} is empty\n")
    told = tazco(tmp_path, "queues", "redrive", FIRST.queue, "--json", environment=stage.environment)
    assert json.loads(told.stdout) == {"from": dead, "to": queue, "moved": 0}


@pytest.mark.parametrize(
    ("given", "cure"), [("nothing", FIRST.queue), ("undelivered", "tazco events replay"), ("tazco-undelivered-dlq", FIRST.queue)]
)
def test_what_cannot_be_redriven_is_refused_with_the_cure(tmp_path: Path, stage: Stage, given: str, cure: str) -> None:
    ran = tazco(tmp_path, "queues", "redrive", given, environment=stage.environment)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert cure in ran.stderr
    assert "Traceback" not in ran.stderr


def test_queues_that_are_not_there_are_told_with_the_cure(tmp_path: Path, stage: Stage) -> None:
    ran = tazco(tmp_path, "queues", environment={**stage.environment, "TAZCO_TABLE_PREFIX": "nobody-"})
    assert ran.returncode == 2
    assert "tazco provision" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_an_endpoint_at_which_nobody_listens_is_told_at_once(tmp_path: Path, stage: Stage) -> None:
    dead = stage.environment_at(f"http://127.0.0.1:{free_port()}")
    ran = tazco(tmp_path, "queues", environment=dead)
    assert ran.returncode == 2
    assert dead["AWS_ENDPOINT_URL"] in ran.stderr


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-3, "0 s"), (59, "59 s"), (60, "1 min"), (3_599, "59 min"), (3_600, "1 h"), (86_399, "23 h"), (777_600, "9 d")],
)
def test_a_duration_is_told_in_its_largest_whole_unit(seconds: int, text: str) -> None:
    assert duration_text(seconds) == text
