"""Embedded clouds that keep their data, and their successors on the same data."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from tazco.local.embedded import EmbeddedCloud

SAVE_SECONDS = 0.2


@pytest.fixture
async def started(tmp_path: Path) -> AsyncIterator[EmbeddedCloud]:
    cloud = EmbeddedCloud(tmp_path / "data", port=0, save_seconds=SAVE_SECONDS)
    await cloud.start()
    yield cloud
    if cloud.alive:
        await cloud.stop()


@pytest.fixture
async def again_on() -> AsyncIterator[Callable[[Path], Any]]:
    """Start another one on the data in a directory."""
    clouds: list[EmbeddedCloud] = []

    async def start(path: Path) -> EmbeddedCloud:
        cloud = EmbeddedCloud(path, port=0)
        await cloud.start()
        clouds.append(cloud)
        return cloud

    yield start
    for cloud in clouds:
        await cloud.stop()


@pytest.fixture
def again(started: EmbeddedCloud, again_on: Callable[[Path], Any]) -> Callable[[], Any]:
    """Start another one on the data of `started`."""
    assert started.data_dir is not None
    data = started.data_dir
    return lambda: again_on(data)
