"""Way in: the relay as a process of its own."""

import asyncio

from tazco.platform.relaying import Relay
from tazco.platform.services import Services
from tazco.wiring import run_process


def relay(*, with_parent: bool) -> int:
    """Relay events until SIGTERM or SIGINT, then finish what is under way; the exit code, and what is raised, as `run_process` says."""
    return run_process(_relay, with_parent=with_parent)


async def _relay(running: Services, stop: asyncio.Event) -> None:
    await Relay.of(running).run(stop)
