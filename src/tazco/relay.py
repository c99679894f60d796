"""Way in: the relay as a process of its own."""

import asyncio
from functools import partial

from tazco.platform.cloud import Cloud
from tazco.platform.logs import configure_logs
from tazco.platform.relaying import Relay
from tazco.platform.running import run_until_told
from tazco.platform.settings import Settings, load_settings
from tazco.wiring import started_unless_stopped


def relay(*, with_parent: bool) -> int:
    """Relay events until SIGTERM or SIGINT, then finish what is under way; the exit code. `with_parent` also ends it with its parent.

    Raise `BadSettings`, `CloudMisconfigured` or `NoPolicy` before anything is relayed.
    """
    cloud = Cloud.from_environment()
    settings = load_settings(cloud)
    configure_logs(settings.log_level)
    asyncio.run(run_until_told(partial(_run, settings, cloud), with_parent=with_parent))
    return 0


async def _run(settings: Settings, cloud: Cloud, stop: asyncio.Event) -> None:
    async with started_unless_stopped(settings, cloud, stop) as running:
        if running is not None:
            await Relay.of(running).run(stop)
