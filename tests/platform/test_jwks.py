"""The key cache: time is moved by hand, the provider is a real server wherever bytes matter."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tazco.kernel.errors import Unavailable
from tazco.platform.jwks import Jwks, NoKeySet, fetch_key_set, read_key_set
from tests.platform.servers import Request, http, nothing_unheard, serving
from tests.platform.tokens import jwk, key_set

HOUR = 3600.0


@pytest.fixture(autouse=True)
async def _quiet() -> AsyncIterator[None]:
    async with nothing_unheard():
        yield


@dataclass
class Provider:
    """An identity provider and a clock: what it publishes, whether it is up, how often it was asked, what time it is."""

    published: bytes = field(default_factory=lambda: key_set(jwk("k1"), jwk("k2")))
    up: bool = True
    asked: int = 0
    now: float = 1_000.0
    gate: asyncio.Event | None = None

    async def fetch(self, url: str) -> bytes:
        assert url == "https://idp.example/jwks.json"
        self.asked += 1
        if self.gate is not None:
            await self.gate.wait()
        if not self.up:
            raise NoKeySet("down")
        return self.published

    def jwks(self) -> Jwks:
        return Jwks("https://idp.example/jwks.json", lambda: self.now, self.fetch)

    async def settle(self, jwks: Jwks) -> None:
        """Let a fetch in the background finish."""
        if jwks._task is not None:
            await jwks._task


async def refused(jwks: Jwks, kid: str) -> Unavailable:
    with pytest.raises(Unavailable) as caught:
        await jwks.key(kid)
    return caught.value


async def test_a_key_is_fetched_once_and_then_held() -> None:
    provider = Provider()
    jwks = provider.jwks()
    first = await jwks.key("k1")
    assert first is not None
    assert await jwks.key("k1") is first
    assert await jwks.key("k2") not in (None, first)
    assert provider.asked == 1


async def test_fifty_callers_at_once_share_one_fetch() -> None:
    provider = Provider(gate=asyncio.Event())
    jwks = provider.jwks()
    callers = [asyncio.create_task(jwks.key("k1")) for _ in range(50)]
    await asyncio.sleep(0)
    assert provider.gate is not None
    provider.gate.set()
    assert len({id(key) for key in await asyncio.gather(*callers)}) == 1
    assert provider.asked == 1


async def test_a_fetch_that_takes_long_is_not_joined_by_a_second_one() -> None:
    provider = Provider(gate=asyncio.Event())
    jwks = provider.jwks()
    callers = []
    for _ in range(5):
        callers.append(asyncio.create_task(jwks.key("k1")))
        await asyncio.sleep(0)
        provider.now += 11
    assert provider.gate is not None
    provider.gate.set()
    assert None not in await asyncio.gather(*callers)
    assert provider.asked == 1


async def test_a_caller_that_goes_away_does_not_end_the_fetch_of_the_others() -> None:
    provider = Provider(gate=asyncio.Event())
    jwks = provider.jwks()
    first, second = asyncio.create_task(jwks.key("k1")), asyncio.create_task(jwks.key("k1"))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    assert provider.gate is not None
    provider.gate.set()
    assert await second is not None
    assert (first.cancelled(), provider.asked) == (True, 1)


async def test_an_unknown_key_after_a_good_fetch_is_none() -> None:
    assert await Provider().jwks().key("nobody") is None


async def test_two_hundred_unknown_keys_cause_at_most_one_fetch_in_ten_seconds() -> None:
    provider = Provider()
    jwks = provider.jwks()
    await jwks.prefetch()
    for step in range(200):  # 49.75 seconds
        assert await jwks.key(f"random-{step}") is None
        provider.now += 0.25
    assert provider.asked == 1 + 4
    assert await jwks.key("k1") is not None


async def test_unknown_keys_while_the_provider_is_down_do_not_hammer_it_either() -> None:
    provider = Provider()
    jwks = provider.jwks()
    await jwks.prefetch()
    provider.up = False
    provider.now += 10
    for step in range(200):
        assert (await refused(jwks, f"random-{step}")).retry_after == 5
        provider.now += 0.25
    assert provider.asked == 1 + 5
    assert await jwks.key("k1") is not None


async def test_an_older_set_is_renewed_in_the_background_while_its_keys_serve() -> None:
    provider = Provider()
    jwks = provider.jwks()
    held = await jwks.key("k1")
    provider.now += 599
    await jwks.key("k1")
    assert jwks._task is not None
    assert jwks._task.done()
    provider.now += 1
    provider.gate = asyncio.Event()
    for _ in range(20):
        assert await asyncio.wait_for(jwks.key("k1"), 1) is held
    await asyncio.sleep(0)
    assert provider.asked == 2
    provider.gate.set()
    await provider.settle(jwks)
    renewed = await jwks.key("k1")
    assert renewed == held
    assert renewed is not held
    assert provider.asked == 2


async def test_a_key_that_the_provider_withdrew_is_gone_after_the_renewal() -> None:
    provider = Provider()
    jwks = provider.jwks()
    await jwks.key("k1")
    provider.published = key_set(jwk("k2"))
    provider.now += 600
    assert await jwks.key("k1") is not None
    await provider.settle(jwks)
    assert await jwks.key("k1") is None
    assert await jwks.key("k2") is not None


async def test_a_new_key_is_picked_up_when_its_first_token_comes() -> None:
    provider = Provider()
    jwks = provider.jwks()
    await jwks.prefetch()
    provider.published = key_set(jwk("k2"), jwk("k3"))
    provider.now += 11
    assert await jwks.key("k3") is not None
    assert provider.asked == 2


async def test_held_keys_survive_an_outage_of_a_day_and_no_longer() -> None:
    provider = Provider()
    jwks = provider.jwks()
    held = await jwks.key("k1")
    fetched_at, provider.up = provider.now, False
    while provider.now - fetched_at < 24 * HOUR - 60:
        provider.now += 60
        assert await jwks.key("k1") is held
        await provider.settle(jwks)
    provider.now = fetched_at + 24 * HOUR
    assert (await refused(jwks, "k1")).retry_after == 5
    assert not await jwks.healthy()
    provider.up = True
    provider.now += 5
    assert await jwks.key("k1") is not None


async def test_an_outage_is_probed_once_in_ten_seconds() -> None:
    provider = Provider()
    jwks = provider.jwks()
    await jwks.key("k1")
    provider.up = False
    provider.now += 600
    for _ in range(100):
        await jwks.key("k1")
        await provider.settle(jwks)
        provider.now += 1
    assert provider.asked == 1 + 10


async def test_without_any_key_the_answer_is_unavailable_and_the_provider_is_asked_every_five_seconds() -> None:
    provider = Provider(up=False)
    jwks = provider.jwks()
    await jwks.prefetch()
    assert provider.asked == 1
    for _ in range(10):
        refusal = await refused(jwks, "k1")
        assert (refusal.code, refusal.retry_after) == ("SERVICE_UNAVAILABLE", 5)
        provider.now += 1
    assert provider.asked == 1 + 1
    provider.up = True
    assert await jwks.key("k1") is not None


@pytest.mark.parametrize(
    "published", [b"", b"no JSON", b"[]", b"{}", b'{"keys":{}}', b'{"keys":[]}', b'{"keys":[1,null,"x",[],{}]}']
)
async def test_an_answer_without_usable_keys_is_an_outage_and_not_a_withdrawal(published: bytes) -> None:
    provider = Provider()
    jwks = provider.jwks()
    held = await jwks.key("k1")
    provider.published = published
    provider.now += 600
    await jwks.key("k1")
    await provider.settle(jwks)
    assert await jwks.key("k1") is held
    await refused(jwks, "k9")


async def test_healthy_means_that_a_token_could_be_verified_now() -> None:
    provider = Provider(up=False)
    jwks = provider.jwks()
    assert not await jwks.healthy()
    provider.up = True
    provider.now += 5
    assert await jwks.healthy()
    provider.up = False
    provider.now += 700
    assert await jwks.healthy()
    await provider.settle(jwks)
    assert provider.asked == 3
    provider.now += 24 * HOUR
    assert not await jwks.healthy()


def test_only_rsa_signing_keys_are_taken_and_a_broken_one_harms_nobody() -> None:
    secret = jwk("private", d="AQAB", p="AQAB")
    keys = read_key_set(
        key_set(
            *(1, None, "text", [], {}),
            jwk("no-kid", kid=None),
            jwk("number", kid=7),
            jwk("encrypts", use="enc"),
            jwk("other-alg", alg="RS512"),
            jwk("hmac", alg="HS256"),
            jwk("liar", kty="oct"),
            {"kid": "oct", "kty": "oct", "k": "c2VjcmV0"},
            {"kid": "ec", "kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"},
            jwk("no-modulus", n=None),
            jwk("no-exponent", e=None),
            jwk("numeric", n=12345),
            jwk("empty", n=""),
            jwk("not-base64", n="!!! é"),
            jwk("even", e="Ag"),
            jwk("zero", e="AA"),
            jwk("huge", n="A" * 4 + "_" * 8_000),
            jwk("weak", bits=1024),
            secret,
            jwk("plain"),
            jwk("bare", use=None, alg=None),
            jwk("twice"),
            jwk("another", kid="twice"),
        )
    )
    assert sorted(keys) == ["bare", "plain", "private", "twice"]
    assert keys["twice"] == read_key_set(key_set(jwk("twice")))["twice"]
    assert all(not hasattr(key, "private_numbers") for key in keys.values())


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["kid", "kty", "n", "e", "use", "alg"]), inner, max_size=6)
    ),
    max_leaves=12,
)


@given(
    st.lists(
        json_values | st.fixed_dictionaries({"kid": st.text(max_size=4), "kty": st.just("RSA"), "n": st.text(), "e": st.text()})
    )
)
def test_no_key_set_whatever_it_holds_breaks_the_reader(keys: list[object]) -> None:
    good = jwk("k1", kid="the good one")
    assert "the good one" in read_key_set(orjson.dumps({"keys": [*keys, good]}))


async def test_the_key_set_is_fetched_by_one_plain_get() -> None:
    async def answer(_: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(http(b'{"keys":[]}'))

    async with serving(answer) as server:
        assert await fetch_key_set(f"{server.url}/pool/.well-known/jwks.json?v=1") == b'{"keys":[]}'
        assert await fetch_key_set(server.url) == b'{"keys":[]}'
        assert [request.line for request in server.requests] == ["GET /pool/.well-known/jwks.json?v=1 HTTP/1.1", "GET / HTTP/1.1"]
        assert server.requests[0].headers["host"] == f"127.0.0.1:{server.port}"
        assert "authorization" not in server.requests[0].headers


@pytest.mark.parametrize("status", [201, 204, 301, 302, 307, 308, 401, 404, 500, 503])
async def test_any_status_but_200_is_refused_and_no_redirect_is_followed(status: int) -> None:
    async def answer(_: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(http(key_set(jwk("k1")) if status != 204 else b"", status, location=f"{server.url}/elsewhere"))

    async with serving(answer) as server:
        with pytest.raises(NoKeySet, match=str(status)):
            await fetch_key_set(f"{server.url}/jwks.json")
        assert len(server.requests) == 1


@pytest.mark.parametrize(("size", "taken"), [(64 * 1024, True), (64 * 1024 + 1, False), (65 * 1024, False)])
async def test_sixty_four_kibibytes_are_taken_and_not_one_byte_more(size: int, *, taken: bool) -> None:
    async def answer(_: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(http(b" " * size))

    async with serving(answer) as server:
        if taken:
            assert len(await fetch_key_set(server.url)) == size
        else:
            with pytest.raises(NoKeySet, match="larger than 65536 bytes"):
                await fetch_key_set(server.url)


async def test_a_fetch_ends_after_three_seconds() -> None:
    async def answer(_: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{")
        await asyncio.Event().wait()

    async with serving(answer) as server:
        began = asyncio.get_running_loop().time()
        with pytest.raises(NoKeySet, match="in 3 s"):
            await fetch_key_set(server.url)
        assert 2.9 < asyncio.get_running_loop().time() - began < 4


async def test_a_provider_that_refuses_connections_is_unavailable() -> None:
    async def answer(_: Request, __: asyncio.StreamWriter) -> None:
        raise AssertionError("nobody is asked")

    async with serving(answer) as server:
        url = server.url
    jwks = Jwks(url)
    await refused(jwks, "k1")
    assert not await jwks.healthy()


async def test_the_real_cache_over_a_real_server_finds_its_key() -> None:
    async def answer(_: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(http(key_set(jwk("k1"))))

    async with serving(answer) as server:
        jwks = Jwks(f"{server.url}/jwks.json")
        assert await jwks.key("k1") is not None
        assert await jwks.key("k2") is None
        assert await jwks.healthy()
        assert len(server.requests) == 1
