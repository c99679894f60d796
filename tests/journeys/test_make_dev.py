"""What a newcomer meets: `tazco dev`, its demo people, its end, its second start."""

import asyncio
import os
import re
import signal
import subprocess
import sys
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx

from tests.processes import free_ports

READY = "Tazco is ready"
READY_SECONDS_MAX = 30


class Dev:
    """`tazco dev` in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.api_port, self.cloud_port = free_ports(2)
        self.said = ""

    async def start(self, *options: str) -> None:
        """Start and read until it is ready."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "TAZCO_"))}
        self.child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tazco", "dev", "--port", str(self.api_port), "--cloud-port", str(self.cloud_port), *options),
            cwd=self.folder,
            env={**environment, "COLUMNS": "200", "NO_COLOR": "1"},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        self.said = ""
        async with asyncio.timeout(READY_SECONDS_MAX):
            while "Authorize button" not in self.said:
                self.said += await self._line()

    async def _line(self) -> str:
        assert self.child.stdout is not None
        line = await self.child.stdout.readline()
        assert line, self.said
        return line.decode()

    async def end(self, number: int | None = None) -> int:
        """Signal it, read to the end, and tell the exit code."""
        if number is not None:
            self.child.send_signal(number)
        assert self.child.stdout is not None
        self.said += (await self.child.stdout.read()).decode()
        return await self.child.wait()

    @property
    def variables(self) -> Mapping[str, str]:
        """The tokens and the card."""
        lines = (self.folder / ".tazco/tokens.env").read_text().splitlines()
        return {name: value.strip("'") for name, _, value in (line.partition("=") for line in lines)}

    async def call(self, method: str, path: str, who: str, body: Any = None) -> Any:
        """One call with somebody's token."""
        headers = {"authorization": f"Bearer {self.variables[who]}", "idempotency-key": str(uuid.uuid4())}
        async with httpx.AsyncClient() as http:
            reply = await http.request(method, f"http://127.0.0.1:{self.api_port}{path}", headers=headers, json=body)
        assert reply.is_success, reply.text
        return reply.json()

    def children(self) -> list[int]:
        """The emulator that works for this folder, if it runs."""
        listed = subprocess.run(("ps", "-A", "-o", "pid=,command="), capture_output=True, text=True, check=True).stdout
        lines = (line.split(None, 1) for line in listed.splitlines())
        return [int(pid) for pid, command in lines if "tazco.local.emulator" in command and str(self.cloud_port) in command]


async def second_on(folder: Path) -> tuple[int | None, str]:
    """How another `tazco dev` on the same data ends, and what it says."""
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tazco", "dev"), cwd=folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    said, _ = await child.communicate()
    return child.returncode, said.decode().replace("\n", " ")


async def test_dev_serves_what_its_screen_says_keeps_others_out_ends_cleanly_and_finds_its_data_again(tmp_path: Path) -> None:
    dev = Dev(tmp_path)
    await dev.start()
    assert READY in dev.said
    assert len(re.findall(r"^curl ", dev.said, re.MULTILINE)) == 3
    assert {"ADMIN", "HIGH", "MEDIUM", "LOW", "CARD"} <= dev.variables.keys()

    assert (await dev.call("GET", "/v1/dashboard", "HIGH"))["user"]["score"] == 760
    bought = await dev.call(
        "POST", f"/v1/cards/{dev.variables['CARD']}/transactions/purchases", "HIGH", {"amount": 42.5, "merchant": "Corner Shop"}
    )
    assert bought["card"]["balance"] == 42.5
    asked = await dev.call("POST", "/v1/cards/requests", "LOW", {"productId": "default-credit-card"})
    assert asked["request"]["status"] == "pending"

    code, said = await second_on(tmp_path)
    assert (code, f"process {dev.child.pid}" in said) == (2, True), said
    assert await dev.end(signal.SIGINT) == 0, dev.said
    assert "everything is saved" in dev.said
    assert not dev.children()
    assert not (tmp_path / ".tazco/dev.env").exists()

    await dev.start()
    assert (await dev.call("GET", "/v1/dashboard", "HIGH"))["cards"][0]["balance"] == 42.5
    assert await dev.end(signal.SIGTERM) == 0, dev.said

    await dev.start("--fresh")
    assert (await dev.call("GET", "/v1/dashboard", "HIGH"))["cards"][0]["balance"] == 0
    assert await dev.end(signal.SIGINT) == 0, dev.said


async def test_a_child_that_dies_is_named_with_its_last_words_and_nothing_is_left_behind(tmp_path: Path) -> None:
    dev = Dev(tmp_path)
    await dev.start()
    (emulator,) = dev.children()
    os.kill(emulator, signal.SIGKILL)
    assert await dev.end() == 1
    assert "The embedded cloud ended by itself" in dev.said
    assert "Run `tazco dev` again" in dev.said
    assert not dev.children()
