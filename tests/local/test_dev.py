"""`tazco dev` from the inside: taken ports, people who were disabled, a start given up, children that die or hang."""

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tazco.local.children import ChildDied
from tazco.local.dev import Dev, Plan, Running
from tazco.local.http_client import ApiClient
from tazco.local.people import PEOPLE
from tazco.local.workspace import Workspace
from tazco.slices import SUBSCRIPTIONS, TABLES
from tests.processes import free_port

READY_SECONDS_MAX = 30
STOPPED_SECONDS_MAX = 10


def dev_in(folder: Path, api_port: int, said: list[str] | None = None) -> Dev:
    """A dev that tells nobody, on ports of its own."""
    plan = Plan(
        workspace=Workspace(folder),
        tables=TABLES,
        subscriptions=SUBSCRIPTIONS,
        api_port=api_port,
        cloud_port=free_port(),
        fresh=False,
    )
    return Dev(plan, say=(said if said is not None else []).append)


@asynccontextmanager
async def running(dev: Dev) -> AsyncIterator[tuple[Running, asyncio.Task[None]]]:
    """What its screen shows, and its task; stopped at the end if it has not ended."""
    shown: asyncio.Queue[Running] = asyncio.Queue()
    task = asyncio.create_task(dev.run(shown.put_nowait))
    screen = await asyncio.wait_for(shown.get(), READY_SECONDS_MAX)
    yield screen, task
    dev.stop.set()
    await asyncio.wait({task}, timeout=STOPPED_SECONDS_MAX)
    assert task.done()


def pid_of(dev: Dev, name: str) -> int:
    assert dev._programme is not None
    (process,) = [child._process for child in dev._programme.children if child.name == name]
    assert process is not None
    return process.pid


async def test_on_a_taken_port_the_api_goes_elsewhere_and_says_so(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        async with running(dev_in(tmp_path, port)) as (screen, _):
            assert not screen.api_url.endswith(f":{port}")
            assert any(f"port {port} is taken" in note for note in screen.notes)


async def test_people_disabled_and_cards_cancelled_do_not_hinder_the_next_start(tmp_path: Path) -> None:
    async with running(dev_in(tmp_path, free_port())) as (screen, _):
        first, api = screen.people, ApiClient(screen.api_url)
        assert first.scores == {demo.name: demo.score or 500 for demo in PEOPLE}
        admin = first.tokens["ADMIN"].access
        users = (await api.call("GET", "/v1/admin/users", token=admin)).body["users"]
        low = next(user["ecosystemId"] for user in users if user["email"].startswith("low@"))
        disabled = await api.call("POST", f"/v1/admin/users/{low}/disable", token=admin, body={"reason": "test"})
        assert disabled.status == 200
        cancelled = await api.call("POST", f"/v1/cards/{first.card_id}/cancel", token=first.tokens["HIGH"].access, body={})
        assert cancelled.status == 200
        api.close()
    async with running(dev_in(tmp_path, free_port())) as (screen, _):
        assert screen.people.scores == {"ADMIN": 500, "HIGH": 760, "MEDIUM": 620}
        assert screen.people.card_id not in ("", first.card_id)


async def test_an_api_that_is_killed_is_named_with_the_end_of_its_log(tmp_path: Path) -> None:
    dev = dev_in(tmp_path, free_port())
    async with running(dev) as (_, task):
        os.kill(pid_of(dev, "API"), signal.SIGKILL)
        with pytest.raises(ChildDied, match=r"The API ended by itself \(exit code -9\)(.|\n)*http\.request(.|\n)*tazco dev"):
            await asyncio.wait_for(task, STOPPED_SECONDS_MAX)
    assert dev.saved
    assert not (tmp_path / "dev.env").exists()


async def test_a_worker_that_is_killed_is_named_too(tmp_path: Path) -> None:
    dev = dev_in(tmp_path, free_port())
    async with running(dev) as (_, task):
        os.kill(pid_of(dev, "worker"), signal.SIGKILL)
        with pytest.raises(ChildDied, match=r"The worker ended by itself \(exit code -9\)(.|\n)*worker.log"):
            await asyncio.wait_for(task, STOPPED_SECONDS_MAX)
    assert dev.saved


async def test_told_to_stop_while_it_starts_it_goes_no_further(tmp_path: Path) -> None:
    said: list[str] = []
    dev = dev_in(tmp_path, free_port(), said)

    def say(text: str) -> None:
        said.append(text)
        dev.stop.set()

    dev.say = say
    await asyncio.wait_for(dev.run(lambda _: pytest.fail("it was ready after all")), READY_SECONDS_MAX)
    assert said == ["starting the embedded cloud", "saving and stopping the embedded cloud"]
    assert dev.saved


async def test_asked_again_to_stop_it_does_not_wait_for_an_api_that_hangs(tmp_path: Path) -> None:
    dev = dev_in(tmp_path, free_port())
    async with running(dev) as (_, task):
        pid = pid_of(dev, "API")
        os.kill(pid, signal.SIGSTOP)
        dev.stop.set()
        try:
            done, _ = await asyncio.wait({task}, timeout=0.5)
            assert not done
            dev.hurry()
            await asyncio.wait_for(task, STOPPED_SECONDS_MAX)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    assert dev.saved
