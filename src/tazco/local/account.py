"""The account as a command sees it: the narrow client, opened for as long as the command runs, and who runs it."""

import getpass
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tazco.kernel.clock import system_clock
from tazco.platform.aws import Aws
from tazco.platform.cloud import ChainCredentials, Cloud


@asynccontextmanager
async def opened(cloud: Cloud) -> AsyncIterator[Aws]:
    """Connections to where `cloud` points; closed on leaving."""
    aws = Aws(cloud.endpoints(), cloud.region, ChainCredentials(cloud), system_clock)
    try:
        yield aws
    finally:
        aws.close()


def user_here() -> str:
    """Who runs the command, by the machine's word; in a container that knows no names, the number."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid-{os.getuid()}"
