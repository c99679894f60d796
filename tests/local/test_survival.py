"""What the embedded cloud was given survives, whatever ends it."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import httpx
import jwt
import pytest

from tazco.local.embedded import EmbeddedCloud, StoppedBadly
from tazco.local.emulator import Watched
from tests.local.kept import DEADLINE_SECONDS, entries, kill, process_runs, provisioner_of, put, snapshot_has, there, until

PASSWORD = "Correct-horse-7-battery"
EMAIL = "ana@example.com"


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
