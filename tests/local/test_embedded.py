"""The embedded cloud: it keeps what it was given, whatever ends it, and says clearly when it cannot start."""

import asyncio
import json
import os
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, cast

import httpx
import jwt
import pytest

from tazco.local import embedded
from tazco.local.data_directory import CannotStart, DataFromAnotherVersion, DataInUse
from tazco.local.embedded import EmbeddedCloud, PortTaken, StoppedBadly
from tazco.local.emulator import Watched
from tazco.platform.idempotency import STORED_ANSWERS
from tazco.platform.messaging import Subscription
from tazco.platform.outbox import OUTBOX
from tazco.platform.provision import Provisioner
from tests.stage import names_of, provisioner

DEADLINE_SECONDS = 30
SOCKETS = Path("/proc/net/tcp")
NAMES = names_of("kept")
PURCHASES = Subscription("purchases", ("transaction.purchase",))
PASSWORD = "Correct-horse-7-battery"
EMAIL = "ana@example.com"
SAVE_SECONDS = 0.2


def provisioner_of(cloud: EmbeddedCloud) -> Provisioner:
    return provisioner(cloud, NAMES, (OUTBOX, STORED_ANSWERS), (PURCHASES,))


async def until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, what
        await asyncio.sleep(0.02)


def put(cloud: EmbeddedCloud, event_id: str) -> None:
    item: Any = {"eventId": {"S": event_id}, "pendingShard": {"S": "pending#1"}, "createdAt": {"S": event_id}}
    provisioner_of(cloud).clients.dynamodb.put_item(TableName="kept-outbox", Item=item)


def there(cloud: EmbeddedCloud, event_id: str) -> bool:
    key: Any = {"eventId": {"S": event_id}}
    return "Item" in provisioner_of(cloud).clients.dynamodb.get_item(TableName="kept-outbox", Key=key)


def snapshot_has(data: Path, text: str) -> bool:
    file = data / "current" / "dynamodb.json"
    return file.exists() and text in file.read_text()


def entries(folder: Path) -> list[Path]:
    return list(folder.iterdir())


def process_runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text() if Path("/proc").exists() else True


def listening_on(port: int) -> list[str]:
    rows = [line.split() for line in SOCKETS.read_text().splitlines()[1:]]
    ends = [row[1].split(":") for row in rows if row[3] == "0A"]
    return [socket.inet_ntoa(bytes.fromhex(address)[::-1]) for address, number in ends if int(number, 16) == port]


async def kill(cloud: EmbeddedCloud) -> None:
    """End the child and its forked copies as a power cut would."""
    assert cloud.pid is not None
    os.killpg(cloud.pid, signal.SIGKILL)
    await cloud.wait()
    with pytest.raises(StoppedBadly):
        await cloud.stop()


@pytest.fixture
async def started(tmp_path: Path) -> AsyncIterator[EmbeddedCloud]:
    cloud = EmbeddedCloud(tmp_path / "data", port=0, save_seconds=SAVE_SECONDS)
    await cloud.start()
    yield cloud
    if cloud.alive:
        await cloud.stop()


@pytest.fixture
async def again(started: EmbeddedCloud) -> AsyncIterator[Callable[[], Any]]:
    """Start another one on the same data."""
    clouds: list[EmbeddedCloud] = []

    async def start() -> EmbeddedCloud:
        cloud = EmbeddedCloud(started.data_dir, port=0)
        await cloud.start()
        clouds.append(cloud)
        return cloud

    yield start
    for cloud in clouds:
        if cloud.alive:
            await cloud.stop()


def furnish(cloud: EmbeddedCloud) -> dict[str, Any]:
    """Something of every kind; returns what a person who signed in holds."""
    work = provisioner_of(cloud)
    made = work.apply(lambda _: None)
    clients = work.clients
    clients.ssm.put_parameter(Name="/kept/api/limits/highTier", Value="4000", Overwrite=True)
    pool: Any = {"UserPoolId": made.user_pool_id}
    username = clients.cognito.admin_create_user(
        **pool, Username=EMAIL, MessageAction="SUPPRESS", UserAttributes=[{"Name": "email", "Value": EMAIL}]
    )["User"]["Username"]
    clients.cognito.admin_set_user_password(**pool, Username=username, Password=PASSWORD, Permanent=True)
    clients.cognito.admin_add_user_to_group(**pool, Username=username, GroupName="admin")
    detail = {"Source": "kept.api", "DetailType": "transaction.purchase", "EventBusName": "kept-events", "Detail": '{"n": 7}'}
    assert clients.events.put_events(Entries=[detail])["FailedEntryCount"] == 0  # type: ignore[list-item]  # a literal is not its typed dict
    tokens = sign_in(cloud)
    put(cloud, "the-last-thing-written")
    return tokens


def sign_in(cloud: EmbeddedCloud) -> dict[str, Any]:
    work = provisioner_of(cloud)
    reply = work.clients.cognito.initiate_auth(
        ClientId=work.provisioned().client_id,
        AuthFlow="USER_PASSWORD_AUTH",
        AuthParameters={"USERNAME": EMAIL, "PASSWORD": PASSWORD},
    )
    return dict(reply["AuthenticationResult"])


def verified(cloud: EmbeddedCloud, token: str) -> dict[str, Any]:
    pool_id = provisioner_of(cloud).provisioned().user_pool_id
    keys = jwt.PyJWKSet.from_json(httpx.get(f"{cloud.url}/{pool_id}/.well-known/jwks.json").text)
    key = keys[jwt.get_unverified_header(token)["kid"]]
    issuer = f"https://cognito-idp.us-east-1.amazonaws.com/{pool_id}"
    return dict(jwt.decode(token, key, algorithms=["RS256"], issuer=issuer, options={"verify_aud": False}))


def assert_all_is_there(cloud: EmbeddedCloud, tokens: dict[str, Any]) -> None:
    work = provisioner_of(cloud)
    different = [finding for finding in work.check() if finding.state != "present"]
    assert [(finding.name, finding.by_choice) for finding in different] == [("/kept/api/limits/highTier", True)]
    clients = work.clients
    assert clients.ssm.get_parameter(Name="/kept/api/limits/highTier")["Parameter"].get("Value") == "4000"
    found = clients.dynamodb.query(
        TableName="kept-outbox",
        IndexName="PendingEvents",
        KeyConditionExpression="pendingShard = :s",
        ExpressionAttributeValues={":s": {"S": "pending#1"}},
    )
    assert [item["eventId"] for item in found["Items"]] == [{"S": "the-last-thing-written"}]
    assert verified(cloud, tokens["AccessToken"])["cognito:groups"] == ["admin"], "a token from before still verifies"
    assert verified(cloud, tokens["IdToken"])["email"] == EMAIL
    assert verified(cloud, sign_in(cloud)["AccessToken"])["sub"] == verified(cloud, tokens["AccessToken"])["sub"]
    url = clients.sqs.get_queue_url(QueueName="kept-purchases")["QueueUrl"]
    message = clients.sqs.receive_message(QueueUrl=url, WaitTimeSeconds=1)["Messages"][0]
    assert json.loads(message["Body"])["detail"] == {"n": 7}


async def test_everything_survives_a_clean_stop(started: EmbeddedCloud, again: Callable[[], Any]) -> None:
    tokens = furnish(started)
    await started.stop()
    assert_all_is_there(await again(), tokens)


async def test_everything_of_the_last_snapshot_survives_kill_9(started: EmbeddedCloud, again: Callable[[], Any]) -> None:
    tokens = furnish(started)
    data = started.data_dir
    assert data is not None
    await until(lambda: snapshot_has(data, "the-last-thing-written"), "nothing was saved")
    await kill(started)
    assert_all_is_there(await again(), tokens)


async def test_kill_9_during_a_save_leaves_the_snapshot_before(started: EmbeddedCloud, again: Callable[[], Any]) -> None:
    data = started.data_dir
    assert data is not None
    work = provisioner_of(started)
    work.apply(lambda _: None)
    put(started, "early")
    await until(lambda: snapshot_has(data, "early"), "nothing was saved")
    current = (data / "current").readlink()
    many = {"L": [{"N": str(number)} for number in range(20_000)]}
    puts: Any = [{"PutRequest": {"Item": {"eventId": {"S": f"large-{number}"}, "payload": many}}} for number in range(6)]
    work.clients.dynamodb.batch_write_item(RequestItems={"kept-outbox": puts})
    await until(
        lambda: any((folder / "dynamodb.json.tmp").exists() for folder in entries(data / "snapshots")), "no second save began"
    )
    await kill(started)
    assert (data / "current").readlink() == current, "the save was faster than the kill: give it more to write"
    cloud = await again()
    assert there(cloud, "early")
    assert not there(cloud, "large-0")
    assert entries(data / "snapshots") == [data / current], "the unfinished snapshot is swept away"


@pytest.mark.parametrize(
    ("target", "saves"),
    [
        ("DynamoDB_20120810.PutItem", True),
        ("DynamoDB_20120810.TransactWriteItems", True),
        ("AWSCognitoIdentityProviderService.InitiateAuth", True),
        ("AmazonSQS.DeleteMessage", True),
        ("AmazonSQS.ReceiveMessage", False),
        ("DynamoDB_20120810.TransactGetItems", False),
        ("DynamoDB_20120810.Query", False),
        ("AmazonSSM.GetParametersByPath", False),
    ],
)
async def test_only_what_changes_something_asks_for_a_save(target: str, saves: bool) -> None:  # noqa: FBT001  # a column of the table above
    async def application(*_: Any) -> None:
        assert not watched.written.is_set(), "a save before the change would miss it"

    watched = Watched(application)
    scope: Any = {"type": "http", "method": "POST", "headers": [(b"x-amz-target", target.encode())]}
    await watched(scope, cast("Any", None), cast("Any", None))
    assert watched.written.is_set() is saves


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_it_cleanly_after_a_last_save(
    started: EmbeddedCloud, again: Callable[[], Any], number: signal.Signals
) -> None:
    provisioner_of(started).apply(lambda _: None)
    put(started, "the-last-thing-written")
    assert started.pid is not None
    os.kill(started.pid, number)
    assert await asyncio.wait_for(started.wait(), DEADLINE_SECONDS) == 0
    with pytest.raises(StoppedBadly, match="had ended before, with exit code 0"):
        await started.stop()
    assert there(await again(), "the-last-thing-written")


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


async def test_the_death_of_the_parent_ends_the_child_after_a_last_save(tmp_path: Path, again_on: Callable[[Path], Any]) -> None:
    script = (
        "import asyncio, pathlib, sys\n"
        "from tazco.local.embedded import EmbeddedCloud\n"
        "async def main():\n"
        "    cloud = EmbeddedCloud(pathlib.Path(sys.argv[1]), port=0)\n"
        "    await cloud.start()\n"
        "    print(cloud.pid, cloud.url, flush=True)\n"
        "    await cloud.wait()\n"
        "asyncio.run(main())\n"
    )
    parent = await asyncio.create_subprocess_exec(sys.executable, "-c", script, str(tmp_path), stdout=asyncio.subprocess.PIPE)
    assert parent.stdout is not None
    pid, url = (await asyncio.wait_for(parent.stdout.readline(), DEADLINE_SECONDS)).decode().split()
    cloud = EmbeddedCloud(tmp_path, _port=int(url.rsplit(":", 1)[1]))
    provisioner_of(cloud).apply(lambda _: None)
    put(cloud, "the-last-thing-written")
    parent.kill()
    await parent.communicate()
    successor = await again_on(tmp_path)
    assert not process_runs(int(pid)), "the lock was free only after the child had ended"
    assert there(successor, "the-last-thing-written")


@pytest.fixture
async def again_on() -> AsyncIterator[Callable[[Path], Any]]:
    clouds: list[EmbeddedCloud] = []

    async def start(path: Path) -> EmbeddedCloud:
        cloud = EmbeddedCloud(path, port=0)
        await cloud.start()
        clouds.append(cloud)
        return cloud

    yield start
    for cloud in clouds:
        await cloud.stop()


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
