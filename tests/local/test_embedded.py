"""The embedded cloud: where it listens, who may use its data, and what it says when it cannot start."""

import json
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tazco.local import embedded
from tazco.local.data_directory import CannotStart, DataFromAnotherVersion, DataInUse
from tazco.local.embedded import EmbeddedCloud, PortTaken
from tests.local.kept import entries, process_runs, provisioner_of

SOCKETS = Path("/proc/net/tcp")


def listening_on(port: int) -> list[str]:
    rows = [line.split() for line in SOCKETS.read_text().splitlines()[1:]]
    ends = [row[1].split(":") for row in rows if row[3] == "0A"]
    return [socket.inet_ntoa(bytes.fromhex(address)[::-1]) for address, number in ends if int(number, 16) == port]


async def test_a_second_one_on_the_same_data_names_the_process_that_has_it(started: EmbeddedCloud) -> None:
    with pytest.raises(DataInUse, match=f"process {os.getpid()}"):
        await EmbeddedCloud(started.data_dir, port=0).start()
    with pytest.raises(DataInUse):
        await EmbeddedCloud(started.data_dir).fresh()
    assert started.alive


@pytest.mark.parametrize("change", [{"format": 0}, {"ministack": "1.5.32"}])
async def test_data_of_another_version_is_refused_and_left_alone(started: EmbeddedCloud, change: dict[str, Any]) -> None:
    provisioner_of(started).apply(lambda _: None)
    await started.stop()
    assert started.data_dir is not None
    stamp = started.data_dir / "version.json"
    stamp.write_text(json.dumps({**json.loads(stamp.read_text()), **change}))
    with pytest.raises(DataFromAnotherVersion, match="tazco dev --fresh"):
        await EmbeddedCloud(started.data_dir, port=0).start()
    assert (started.data_dir / "current" / "dynamodb.json").exists()


async def test_data_without_a_version_is_refused(started: EmbeddedCloud) -> None:
    await started.stop()
    assert started.data_dir is not None
    (started.data_dir / "version.json").unlink()
    with pytest.raises(DataFromAnotherVersion):
        await EmbeddedCloud(started.data_dir, port=0).start()


async def test_fresh_starts_over_and_deletes_only_what_is_its_own(started: EmbeddedCloud, again: Callable[[], Any]) -> None:
    provisioner_of(started).apply(lambda _: None)
    await started.stop()
    assert started.data_dir is not None
    (started.data_dir / "mine.txt").write_text("not the cloud's")
    (started.data_dir / "version.json").write_text("{}")
    await EmbeddedCloud(started.data_dir).fresh()
    cloud = await again()
    assert provisioner_of(cloud).clients.dynamodb.list_tables()["TableNames"] == []
    assert (started.data_dir / "mine.txt").exists()


async def test_unreadable_data_is_reported_and_left_as_it_is(started: EmbeddedCloud) -> None:
    provisioner_of(started).apply(lambda _: None)
    await started.stop()
    assert started.data_dir is not None
    file = started.data_dir / "current" / "dynamodb.json"
    file.write_text(file.read_text()[:-100])
    with pytest.raises(CannotStart, match=r"(?s)left as it is.*--fresh.*failed to load dynamodb"):
        await EmbeddedCloud(started.data_dir, port=0).start()
    assert file.exists()


async def test_a_taken_port_means_another_port() -> None:
    with socket.socket() as holder:
        try:
            holder.bind(("127.0.0.1", embedded.PORT_PREFERRED))
            holder.listen()
        except OSError:
            assert not embedded._free(embedded.PORT_PREFERRED), "somebody else has it: just as good"
        cloud = EmbeddedCloud(None)
        await cloud.start()
        assert cloud.url != f"http://127.0.0.1:{embedded.PORT_PREFERRED}"
        assert provisioner_of(cloud).clients.dynamodb.list_tables()["TableNames"] == []
        await cloud.stop()


async def test_a_taken_port_that_was_asked_for_is_an_error() -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        with pytest.raises(PortTaken, match="Stop what listens there"):
            await EmbeddedCloud(None, port=holder.getsockname()[1]).start()


@pytest.mark.skipif(not SOCKETS.exists(), reason="needs /proc")
async def test_it_listens_on_the_loopback_interface_only(started: EmbeddedCloud) -> None:
    assert listening_on(int(started.url.rsplit(":", 1)[1])) == ["127.0.0.1"]


async def test_without_a_data_directory_nothing_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    cloud = EmbeddedCloud(None, port=0)
    await cloud.start()
    pid = cloud.pid
    assert pid is not None
    provisioner_of(cloud).apply(lambda _: None)
    await cloud.stop()
    assert not process_runs(pid)
    assert cloud.pid is None
    assert entries(tmp_path) == []
