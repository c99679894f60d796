"""How fast the console's pages are. `python -m bench.pages [--people 10000] [--transactions 100000]`.

Every page is drawn over a small crowd and over a large one, in this process, over the embedded cloud: server time, rows read from
the tables, and the size of the HTML. What a page reads is bounded by its own limits; where an index has several shards it asks each
for as many as it shows. The emulator's own work grows with its tables, DynamoDB's does not.
"""

import argparse
import asyncio
import statistics
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

import httpx
import orjson
from tests.stage import Stage, new_stage
from tests.world import PASSWORD, World, open_world

from bench.crowd import Crowd, Size, gather
from tazco.console.site import PAGES as CONSOLE
from tazco.kernel.clock import system_clock
from tazco.local.embedded import EmbeddedCloud
from tazco.platform.aws import Call, over_the_wire
from tazco.platform.logs import configure_logs
from tazco.platform.wire import Pool, Reply
from tazco.slices import SUBSCRIPTIONS, TABLES

SMALL = Size(people=100, transactions=1_000)
LOADS = 12
MILLISECONDS_MAX = 200
LEADING_ELSEWHERE = (".csv", "/approve", "/reject")
NOT_DRAWN = ("/console/live", "/console/sign-in", "/console/phone", "/console/find")


@dataclass(slots=True)
class Counting:
    """The transport to AWS, counting what comes back."""

    rows: int = 0

    async def __call__(self, call: Call, pool: Pool, request: bytes, timeout_seconds: float) -> Reply:
        """Send it on."""
        reply = await over_the_wire(call, pool, request, timeout_seconds)
        if call.service == "dynamodb":
            answer = orjson.loads(reply.body)
            self.rows += len(answer.get("Items", ())) + sum(map(len, answer.get("Responses", {}).values()))
        return reply


@dataclass(slots=True)
class Measured:
    """One page."""

    milliseconds: list[float] = field(default_factory=list)
    rows: int = 0
    size: int = 0


def addresses(crowd: Crowd) -> list[str]:
    """Every page of the console, its parameters filled in with the busiest of the crowd."""
    values = {
        "ecosystemId": crowd.id(0),
        "cardId": crowd.card_id(0),
        "requestId": crowd.request_id(1),
        "name": quote("limits/lowTier", safe=""),
    }
    found = []
    for pages in CONSOLE:
        for route in pages.routes:
            path = route.path.replace(":opaque", "")
            if "GET" in (route.methods or ()) and not path.startswith(NOT_DRAWN) and not path.endswith(LEADING_ELSEWHERE):
                found.append(path.format_map(_Given(values)))
    wanted = {"person": crowd.id(0), "card": f"{crowd.card_id(0)}&owner={crowd.id(0)}", "request": crowd.request_id(1)}
    found += [f"/console/timeline?kind={kind}&id={value}" for kind, value in wanted.items()]
    found.append("/console/people?q=person77@crowd.example")
    found.append(f"/console/audit?actorId={crowd.operator(0)}")
    return [each for each in found if "{" not in each]


class _Given(dict[str, str]):
    def __missing__(self, name: str) -> str:
        return "{" + name + "}"


async def signed_in(world: World) -> None:
    """Fill the cookie jar of the world's client with a session."""
    operator = await world.operator()
    page = await world.http.get("/console/sign-in")
    token = page.text.split('name="form" value="')[1].split('"')[0]
    fields = {"form": token, "email": operator.email, "password": PASSWORD}
    reply = await world.http.post("/console/sign-in", data=fields)
    assert reply.status_code == httpx.codes.SEE_OTHER, reply.text


async def measure(stage: Stage, size: Size) -> Mapping[str, Measured]:
    """Make the crowd and look at every page of it."""
    counting = Counting()
    async with open_world(stage, transport=counting) as world:
        crowd = Crowd(size, system_clock())
        began = time.perf_counter()
        rows = await gather(world.services.database, crowd)
        print(f"· {size.people:,} people, {size.transactions:,} transactions: {rows:,} rows in {time.perf_counter() - began:.0f} s")
        await signed_in(world)
        found = {address: Measured() for address in addresses(crowd)}
        for _ in range(LOADS):
            for address, measured in found.items():
                counting.rows = 0
                began = time.perf_counter()
                reply = await world.http.get(address)
                measured.milliseconds.append((time.perf_counter() - began) * 1000)
                assert reply.status_code == httpx.codes.OK, (address, reply.status_code)
                measured.rows, measured.size = counting.rows, len(reply.content)
        return found


async def compare(size: Size) -> bool:
    """Print both crowds side by side; whether every page is fast enough and reads as much in the large one as its limits allow."""
    cloud = EmbeddedCloud(None, port=0)
    await cloud.start()
    try:
        small, large = [await measure(new_stage(cloud, TABLES, SUBSCRIPTIONS), each) for each in (SMALL, size)]
    finally:
        await cloud.stop()
    print(
        f"\n{'page':58} {'p50 ms':>13} {'worst ms':>9} {'rows read':>13} {'HTML':>8}\n{'':58} {'small large':>13} {'large':>9} {'small large':>13}"
    )
    slow = 0
    for address, after in large.items():
        before = small[address]
        p50, p50_before = statistics.median(after.milliseconds), statistics.median(before.milliseconds)
        slow += p50 > MILLISECONDS_MAX
        rows = f"{before.rows:6} {after.rows:6}"
        print(
            f"{address[:58]:58} {p50_before:6.0f} {p50:6.0f} {max(after.milliseconds):9.0f} {rows:>13} {after.size / 1000:6.1f} kB"
        )
    print(f"\n{len(large)} pages, {slow} slower than {MILLISECONDS_MAX} ms")
    return not slow


def main() -> None:
    """Read the sizes and compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=10_000)
    parser.add_argument("--transactions", type=int, default=100_000)
    chosen = parser.parse_args()
    configure_logs("error")
    fast = asyncio.run(compare(Size(people=chosen.people, transactions=chosen.transactions)))
    raise SystemExit(0 if fast else 1)


if __name__ == "__main__":
    main()
