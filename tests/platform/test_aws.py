"""The client of the five services against a real server that answers as AWS does, or worse."""

import asyncio
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import chain, repeat

import orjson
import pytest

from tazco.platform.aws import TARGETS, Aws, AwsError, AwsUnreachable, Call, over_the_wire
from tazco.platform.sigv4 import Credentials, Signer
from tazco.platform.wire import Pool, Reply, WireFailure
from tests.platform.servers import Answer, Request, Server, http, nothing_unheard, serving, until

NOW = datetime(2026, 11, 24, 12, 0, 0, tzinfo=UTC)
KEYS = Credentials("AKIDEXAMPLE", "secret", "token")


@pytest.fixture(autouse=True)
async def _quiet() -> AsyncIterator[None]:
    async with nothing_unheard():
        yield


class FixedCredentials:
    async def current(self) -> Credentials:
        return KEYS


@dataclass
class NoPatience(random.Random):
    """Draws no pause at all, and remembers between which bounds it was asked to draw."""

    asked: list[tuple[float, float]] = field(default_factory=list)

    def uniform(self, a: float, b: float) -> float:
        self.asked.append((a, b))
        return 0.0


def aws_at(server: Server, rng: random.Random | None = None, call_seconds: float = 5.0) -> Aws:
    endpoints = dict.fromkeys(TARGETS, server.url)
    return Aws(endpoints, "us-east-1", FixedCredentials(), lambda: NOW, rng=rng or NoPatience(), call_seconds=call_seconds)


def error(code: str, status: int = 400, **more: object) -> bytes:
    return http(orjson.dumps({"__type": code, **more}), status)


def in_turn(*answers: bytes | None) -> Answer:
    """The first answer to the first request, and so on, the last for ever; None hangs up."""
    left = chain(answers, repeat(answers[-1]))

    async def answer(_: Request, writer: asyncio.StreamWriter) -> None:
        piece = next(left)
        if piece is None:
            writer.close()
        else:
            writer.write(piece)

    return answer


@pytest.mark.parametrize("service", sorted(TARGETS))
async def test_a_call_is_one_signed_post_that_names_its_operation(service: str) -> None:
    async with serving(in_turn(http(b'{"Answer":42}'))) as server:
        aws = aws_at(server)
        assert await aws.call(service, "DoIt", {"Question": "é"}) == {"Answer": 42}
        (request,) = server.requests
        prefix, content_type = TARGETS[service]
        expected = Signer(service, "us-east-1").headers(
            KEYS, f"127.0.0.1:{server.port}", f"{prefix}.DoIt", content_type, request.body, NOW
        )
        assert request.line == "POST / HTTP/1.1"
        assert orjson.loads(request.body) == {"Question": "é"}
        assert request.headers == expected | {"content-length": str(len(request.body))}
        aws.close()


async def test_an_empty_answer_is_an_empty_object() -> None:
    async with serving(in_turn(http(b""))) as server:
        aws = aws_at(server)
        assert await aws.call("sqs", "DeleteMessage", {}) == {}
        aws.close()


async def test_many_calls_at_once_each_get_their_own_answer() -> None:
    async def echo(request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(http(request.body))

    async with serving(echo) as server:
        aws = aws_at(server)
        answers = await asyncio.gather(*(aws.call("dynamodb", "GetItem", {"n": number}) for number in range(300)))
        assert answers == [{"n": number} for number in range(300)]
        assert server.open_most <= 64
        aws.close()


@pytest.mark.parametrize(
    ("answer", "code", "message"),
    [
        (
            error("com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException", message="no"),
            "ConditionalCheckFailedException",
            "no",
        ),
        (error("ResourceNotFoundException", Message="gone"), "ResourceNotFoundException", "gone"),
        (http(b"{}", 400, x_amzn_errortype="ValidationException:http://internal.amazon.com/"), "ValidationException", ""),
        (http(b"", 403), "HTTP 403", ""),
        (http(b"<html>proxy</html>", 403), "HTTP 403", "the answer is not a JSON object"),
        (http(b"{}", 307, location="http://elsewhere.example/"), "HTTP 307", ""),
        (http(b"[1]", 404), "HTTP 404", "the answer is not a JSON object"),
    ],
)
async def test_an_error_that_will_not_go_away_is_raised_at_once(answer: bytes, code: str, message: str) -> None:
    async with serving(in_turn(answer, http(b"{}"))) as server:
        aws = aws_at(server)
        with pytest.raises(AwsError) as caught:
            await aws.call("dynamodb", "PutItem", {})
        assert (caught.value.code, caught.value.operation) == (code, "PutItem")
        assert str(caught.value) == f"PutItem: {code}: {message}"
        assert not caught.value.throttled
        assert len(server.requests) == 1
        aws.close()


async def test_the_whole_body_of_an_error_is_kept_for_its_reasons() -> None:
    reasons = [{"Code": "None"}, {"Code": "ConditionalCheckFailed", "Item": {"a": {"S": "b"}}}]
    async with serving(in_turn(error("x#TransactionCanceledException", CancellationReasons=reasons))) as server:
        aws = aws_at(server)
        with pytest.raises(AwsError) as caught:
            await aws.call("dynamodb", "TransactWriteItems", {})
        assert caught.value.body["CancellationReasons"] == reasons
        assert len(server.requests) == 1
        aws.close()


@pytest.mark.parametrize(
    "trouble",
    [
        error("com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException"),
        error("ThrottlingException"),
        error("com.amazon.coral.service#RequestThrottled"),
        error("RequestLimitExceeded"),
        error("TransactionInProgressException"),
        http(b"", 429),
        error("InternalServerError", 500),
        http(b"Bad Gateway", 502),
        http(b"", 503),
        http(b"not JSON"),
        http(b"[]"),
        http(b'{"half":'),
        b"garbage\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n{}",
        None,
    ],
)
async def test_trouble_that_may_pass_is_tried_again(trouble: bytes | None) -> None:
    async def answer(request: Request, writer: asyncio.StreamWriter) -> None:
        await in_turn(trouble if len(server.requests) <= 2 else http(b'{"done":true}'))(request, writer)

    async with serving(answer) as server:
        aws = aws_at(server, call_seconds=0.3)
        assert await aws.call("dynamodb", "GetItem", {"same": "body"}) == {"done": True}
        assert [request.body for request in server.requests] == [b'{"same":"body"}'] * 3
        aws.close()


async def test_a_throttled_call_says_so_after_its_last_attempt() -> None:
    async with serving(in_turn(error("ThrottlingException"))) as server:
        aws = aws_at(server)
        with pytest.raises(AwsError) as caught:
            await aws.call("ssm", "GetParametersByPath", {})
        assert caught.value.throttled
        assert len(server.requests) == 4
        aws.close()


async def test_a_server_that_hangs_up_each_time_is_unreachable_after_the_last_attempt() -> None:
    async with serving(in_turn(None)) as server:
        aws = aws_at(server)
        with pytest.raises(AwsUnreachable, match=r"events PutEvents: the server closed the connection: .*, 3 attempts"):
            await aws.call("events", "PutEvents", {}, attempts_max=3)
        assert len(server.requests) == 3


async def test_a_server_that_never_answers_is_unreachable_within_the_time_of_all_attempts() -> None:
    async def never(_: Request, __: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    async with serving(never) as server:
        aws = aws_at(server, call_seconds=0.05)
        began = asyncio.get_running_loop().time()
        with pytest.raises(AwsUnreachable, match=r"in 0\.05 s, 4 attempts"):
            await aws.call("dynamodb", "GetItem", {})
        assert asyncio.get_running_loop().time() - began < 2


async def test_pauses_are_drawn_from_nothing_to_a_bound_that_doubles_up_to_a_second() -> None:
    rng = NoPatience()
    async with serving(in_turn(http(b"", 503))) as server:
        aws = aws_at(server, rng)
        with pytest.raises(AwsError):
            await aws.call("dynamodb", "GetItem", {}, attempts_max=8)
        assert rng.asked == [(0, 0.05), (0, 0.1), (0, 0.2), (0, 0.4), (0, 0.8), (0, 1.0), (0, 1.0)]
        assert len(server.requests) == 8
        aws.close()


async def test_a_cancelled_call_is_not_tried_again_and_its_answer_reaches_nobody() -> None:
    release = asyncio.Event()

    async def answer(request: Request, writer: asyncio.StreamWriter) -> None:
        if b"slow" in request.body:
            await release.wait()
        writer.write(http(request.body))

    async with serving(answer) as server:
        aws = aws_at(server)
        slow = asyncio.create_task(aws.call("dynamodb", "GetItem", {"slow": 1}))
        await until(lambda: len(server.requests) == 1)
        slow.cancel()
        with pytest.raises(asyncio.CancelledError):
            await slow
        release.set()
        assert await aws.call("dynamodb", "GetItem", {"quick": 2}) == {"quick": 2}
        assert len(server.requests) == 2
        aws.close()


async def test_faults_can_be_put_in_at_the_transport() -> None:
    seen: list[Call] = []

    async def lose_the_first_answer(call: Call, pool: Pool, request: bytes, timeout_seconds: float) -> Reply:
        reply = await over_the_wire(call, pool, request, timeout_seconds)
        seen.append(call)
        if len(seen) == 1:
            raise WireFailure("the answer was lost", sent=True)
        return reply

    async with serving(in_turn(http(b'{"ok":1}'))) as server:
        aws = aws_at(server)
        aws.transport = lose_the_first_answer
        assert await aws.call("dynamodb", "PutItem", {"a": 1}) == {"ok": 1}
        assert seen == [Call("dynamodb", "PutItem", b'{"a":1}')] * 2
        assert len(server.requests) == 2
        aws.close()
