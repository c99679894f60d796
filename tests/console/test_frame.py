"""What surrounds the pages: headers, files, reports, streams, and the settings that switch things."""

import asyncio
import gzip
import re
import time
from contextlib import AsyncExitStack
from datetime import timedelta

import httpx
import pytest
import structlog

from tazco.card_requests.store import CARD_REQUESTS
from tazco.console.frame import live
from tazco.console.frame.forms import fields_of
from tazco.console.frame.routing import safe_next
from tazco.console.frame.sessions import Sessions
from tazco.console.frame.visit import cookie
from tazco.kernel.errors import Invalid
from tazco.platform.cloud import Cloud
from tazco.platform.settings import BadSettings, load_settings
from tests.console.office import Office, signed_in
from tests.contract.seeds import with_policy
from tests.processes import api_process
from tests.stage import Stage
from tests.world import open_world

STOP_SECONDS_MAX = 5


async def test_a_page_may_neither_be_kept_nor_framed_nor_run_what_is_not_ours(office: Office) -> None:
    async with httpx.AsyncClient(base_url=office.url) as http:
        first, second = [await http.get("/console/sign-in", headers={"origin": "https://elsewhere.example"}) for _ in range(2)]
        policy = first.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert first.headers["cache-control"] == "no-store"
        assert first.headers["x-frame-options"] == "DENY"
        assert "access-control-allow-origin" not in first.headers
        nonces = [re.findall(r"'nonce-([^']+)'", each.headers["content-security-policy"]) for each in (first, second)]
        assert nonces[0] != nonces[1]
        assert f'nonce="{nonces[0][0]}"' in first.text


async def test_files_are_kept_for_ever_under_an_address_that_changes_with_them(office: Office) -> None:
    async with httpx.AsyncClient(base_url=office.url) as http:
        page = (await http.get("/console/sign-in")).text
        files = re.findall(r'(?:src|href)="(/console/static/[^"]+)"', page)
        assert len(files) >= 3
        for file in files:
            reply = await http.get(file)
            assert reply.status_code == 200
            assert "immutable" in reply.headers["cache-control"]
        squeezed = await http.get(
            next(each for each in files if each.endswith("pico.min.css")), headers={"accept-encoding": "gzip"}
        )
        assert squeezed.headers["content-encoding"] == "gzip"
        assert len(gzip.compress(squeezed.content)) < 15_000


async def test_a_violation_that_a_browser_reports_is_logged_and_a_flood_is_not(office: Office) -> None:
    async with httpx.AsyncClient(base_url=office.url) as http:
        for _ in range(40):
            assert (await http.post("/console/csp-reports", content=b'{"csp-report":{}}')).status_code == 204
    office.world.clock.pass_time(minutes=1)
    report = {
        "effective-directive": "img-src",
        "document-uri": "https://t/console/people?q=jane@example.com",
        "blocked-uri": "data",
    }
    with structlog.testing.capture_logs() as logs:
        async with httpx.AsyncClient(base_url=office.url) as http:
            assert (await http.post("/console/csp-reports", json={"csp-report": report})).status_code == 204
            assert (await http.post("/console/csp-reports", content=b"x" * 20_000)).status_code == 400
            assert (await http.post("/console/csp-reports", content=b"[]")).status_code == 400
    (told,) = [each for each in logs if each["event"] == "console.policy_violated"]
    assert (told["directive"], told["page"], "jane" in str(logs)) == ("img-src", "https://t/console/people", False)


async def test_a_stream_needs_a_session_and_tells_of_a_change(office: Office) -> None:
    async with httpx.AsyncClient(base_url=office.url) as http:
        assert (await http.get("/console/live/requests")).status_code == 401
        await signed_in(office.world, http)
        page = (await http.get("/console/requests")).text
        seen = re.findall(r'data-seen="(\w+)"', page)[0]
        async with asyncio.timeout(10), http.stream("GET", f"/console/live/requests?seen={seen}") as stream:
            assert stream.headers["content-type"].startswith("text/event-stream")
            lines = stream.aiter_lines()
            await (await office.world.person(430)).ask_for_card()
            async for line in lines:
                if line == "event: changed":
                    break


async def test_too_many_streams_are_refused(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "STREAMS_MAX", 0)
    async with httpx.AsyncClient(base_url=office.url) as http:
        await signed_in(office.world, http)
        reply = await http.get("/console/live/requests")
        assert reply.status_code == 503
        assert reply.headers["retry-after"] == "30"


async def test_a_process_that_stops_does_not_wait_for_its_streams(stage: Stage) -> None:
    async with (
        open_world(stage) as world,
        api_process(stage.environment) as process,
        httpx.AsyncClient(base_url=process.url, timeout=20) as http,
    ):
        await signed_in(world, http)
        async with http.stream("GET", "/console/live/requests") as stream:
            assert await anext(stream.aiter_lines()) == "event: open"
            began = time.monotonic()
            await process.stop()
            assert time.monotonic() - began < STOP_SECONDS_MAX


async def test_the_console_can_be_switched_off(stage: Stage) -> None:
    async with open_world(stage, console=False) as world:
        assert (await world.call("GET", "/console/sign-in")).status == 404


async def test_a_renewal_by_itself_keeps_no_session_alive(office: Office) -> None:
    async with httpx.AsyncClient(base_url=office.url) as http:
        await signed_in(office.world, http)
        for _ in range(4):
            office.world.clock.pass_time(minutes=9)
            reply = await http.get("/console/requests", headers={"tazco-by-itself": "1"})
        assert reply.status_code == 401


async def test_a_session_ends_after_twelve_hours_however_busy(office: Office) -> None:
    async with httpx.AsyncClient(base_url=office.url) as http:
        await signed_in(office.world, http)
        statuses = []
        for _ in range(30):
            office.world.clock.pass_time(minutes=25)
            statuses.append((await http.get("/console/requests")).status_code)
        assert statuses.count(200) == 28
        assert statuses[-1] == 303


async def test_an_operator_who_is_disabled_here_is_out_within_seconds(office: Office) -> None:
    leaver = await office.world.stranger(admin=True)
    await leaver.register()
    async with httpx.AsyncClient(base_url=office.url) as http:
        await signed_in(office.world, http, leaver)
        assert (await http.get("/console/requests")).status_code == 200
        operator = await office.world.operator()
        await operator.post(f"/v1/admin/users/{leaver.ecosystem_id}/disable", {"reason": "left"})
        office.world.clock.pass_time(seconds=11)
        assert (await http.get("/console/requests")).status_code == 303


async def test_an_operator_who_leaves_the_group_is_out_within_two_minutes(office: Office) -> None:
    leaver, stage = await office.world.stranger(admin=True), office.world.stage
    async with httpx.AsyncClient(base_url=office.url) as http:
        await signed_in(office.world, http, leaver)
        pool = stage.provisioned.user_pool_id
        stage.clients.cognito.admin_remove_user_from_group(UserPoolId=pool, Username=leaver.email, GroupName="admin")
        office.world.clock.pass_time(seconds=121)
        assert (await http.get("/console/requests")).headers["location"].startswith("/console/sign-in")


async def test_signing_in_again_ends_the_session_of_before(office: Office) -> None:
    async with httpx.AsyncClient(base_url=office.url) as http:
        before = await signed_in(office.world, http)
        after = await signed_in(office.world, http)
    for token, status in ((before, 303), (after, 200)):
        async with httpx.AsyncClient(base_url=office.url, cookies={"tazco-console": token}) as http:
            assert (await http.get("/console/requests")).status_code == status


async def test_live_pages_do_not_use_up_the_limits_of_the_api(stage: Stage) -> None:
    async with open_world(stage) as world:
        await signed_in(world, world.http)
        await with_policy(world, rateLimit__apiPerMinute="3", rateLimit__authFailuresPerMinute="1")
        try:
            statuses = {(await world.http.get("/console/requests")).status_code for _ in range(10)}
            for _ in range(3):  # beyond the hour of the ID token, never idle: its end is no failure of anybody's
                world.clock.pass_time(minutes=25)
                statuses.add((await world.http.get("/console/requests", headers={"tazco-by-itself": "1"})).status_code)
                statuses.add((await world.http.get("/console/requests")).status_code)
        finally:
            await with_policy(world, rateLimit__apiPerMinute="0", rateLimit__authFailuresPerMinute="0")
        assert statuses == {200}


async def test_a_session_follows_a_dozen_pages_and_gives_every_place_back(office: Office) -> None:
    async with httpx.AsyncClient(base_url=office.url, timeout=10) as http:
        await signed_in(office.world, http)
        async with AsyncExitStack() as stack:
            for _ in range(live.STREAMS_OF_A_SESSION_MAX):
                followed = await stack.enter_async_context(http.stream("GET", "/console/live/policy"))
                assert followed.status_code == 200
            assert (await http.get("/console/live/policy")).status_code == 503
            assert (await http.head("/console/live/policy")).status_code == 200
        async with asyncio.timeout(10):
            while live._streams.of:
                await asyncio.sleep(0.05)


async def test_a_stream_ends_with_what_it_shows_and_refuses_what_the_page_refuses(office: Office) -> None:
    person = await office.world.person(430)
    request_id = (await person.ask_for_card()).body["request"]["requestId"]
    async with httpx.AsyncClient(base_url=office.url, timeout=10) as http:
        await signed_in(office.world, http)
        assert (await http.get("/console/live/requests/none")).status_code == 404
        async with http.stream("GET", f"/console/live/requests/{request_id}") as stream:
            await office.world.services.database.delete_all(CARD_REQUESTS, [(person.ecosystem_id, request_id)])
            lines = [line async for line in stream.aiter_lines()]
        assert "data: gone" in lines


async def test_a_stream_ends_with_its_session(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "BEAT_LOOKS", 1)
    async with httpx.AsyncClient(base_url=office.url, timeout=10) as http:
        token = await signed_in(office.world, http)
        async with asyncio.timeout(10), http.stream("GET", "/console/live/policy") as stream:
            sessions = Sessions(office.world.services.database, timedelta(hours=1))
            session = await sessions.find(token, office.world.clock())
            assert session is not None
            await sessions.end(session)
            assert [line async for line in stream.aiter_lines()]


def test_cookies_of_production_go_over_tls_only_and_to_this_host_only() -> None:
    made = cookie("__Host-tazco-console", "v", secure=True)
    assert {"Secure", "HttpOnly", "SameSite=Strict", "Path=/"} <= {part.strip() for part in made.split(";")}
    assert "Domain" not in made


def test_production_has_no_stand_in() -> None:
    environment = {
        "TAZCO_ENV": "production",
        "TAZCO_STAND_IN_URL": "http://127.0.0.1:3010",
        "TAZCO_COGNITO_USER_POOL_ID": "p",
        "TAZCO_COGNITO_CLIENT_IDS": "c",
        "TAZCO_CURSOR_SECRETS": "0" * 40,
        "AWS_REGION": "us-east-1",
    }
    with pytest.MonkeyPatch.context() as patched:
        for name, value in environment.items():
            patched.setenv(name, value)
        with pytest.raises(BadSettings, match="TAZCO_STAND_IN_URL"):
            load_settings(Cloud.from_mapping(environment))


@pytest.mark.parametrize("raw", [b"\xff=1", b"a&b&c", "&".join(f"f{n}=1" for n in range(200)).encode()])
def test_what_is_no_form_is_refused(raw: bytes) -> None:
    with pytest.raises(Invalid):
        fields_of(raw)


@pytest.mark.parametrize(
    ("wanted", "there"),
    [
        ("/console/requests?status=approved", True),
        ("/console/people/a%2Fb", True),
        ("//evil", False),
        ("/console/\\evil", False),
        ("", False),
    ],
)
def test_only_pages_of_ours_are_gone_to(wanted: str, *, there: bool) -> None:
    assert (safe_next(wanted) == wanted) is there
