"""Signing in and out: who gets in, what is kept where, what ends a session."""

import re
import uuid

import httpx

from tazco.console.frame.sessions import SESSIONS, form_token
from tests.console.office import Office, sign_in
from tests.world import PASSWORD


async def test_an_operator_signs_in_and_out(office: Office) -> None:
    email = (await office.world.operator()).email
    async with office.visitor() as desk:
        await sign_in(desk, email)
        assert email in await desk.text("header")
        cookies = {each["name"]: each for each in await desk.context.cookies()}
        assert cookies["tazco-console"]["httpOnly"]
        assert cookies["tazco-console"]["sameSite"] == "Strict"
        token = cookies["tazco-console"]["value"]
        await desk.page.locator(".who summary").click()
        async with desk.page.expect_navigation():
            await desk.press("Sign out")
        assert "You are signed out" in await desk.text()
        async with httpx.AsyncClient(base_url=office.url, cookies={"tazco-console": token}) as http:
            assert (await http.get("/console/requests")).status_code == 303


async def test_no_token_is_in_the_page_and_the_row_opens_only_with_the_cookie(office: Office) -> None:
    async with office.operator() as desk:
        await desk.go("/console/requests")
        cookie = next(each["value"] for each in await desk.context.cookies() if each["name"] == "tazco-console")
        rows = [item for item in await office.world.rows(SESSIONS) if item["ecosystemId"]["S"] == "console-session"]
        assert rows
        for text in (await desk.page.content(), str(rows)):
            assert "eyJ" not in text
            assert cookie not in text


async def test_a_wrong_password_and_a_stranger_get_the_same_answer(office: Office) -> None:
    operator = await office.world.operator()
    for email in (operator.email, f"{uuid.uuid4().hex}@example.com"):
        async with office.visitor() as door:
            door.expected = ("401",)
            await sign_in(door, email, "Wrong-horse-1")
            assert "E-mail or password is wrong." in await door.text()


async def test_somebody_outside_of_the_group_stays_out(office: Office) -> None:
    person = await office.world.stranger()
    async with office.visitor() as door:
        door.expected = ("403",)
        await sign_in(door, person.email)
        assert "not an operator" in await door.text()
        assert "tazco-console" not in {each["name"] for each in await door.context.cookies()}


async def test_failures_are_limited_for_an_account_and_a_minute_later_it_may_try_again(office: Office) -> None:
    operator = await office.world.stranger(admin=True)
    async with office.visitor() as door:
        door.expected = ("401", "429")
        office.world.clock.pass_time(seconds=60 - office.world.clock().second)  # all of them within one minute of the count
        for _ in range(5):
            await sign_in(door, operator.email, "Wrong-horse-1")
        await sign_in(door, operator.email, PASSWORD)
        assert "Too many requests" in await door.text()
        office.world.clock.pass_time(minutes=1)
        await sign_in(door, operator.email, PASSWORD)
        assert door.page.url.endswith("/console/")


async def test_a_first_password_is_changed_before_anything_else(office: Office) -> None:
    cognito, pool = office.world.stage.clients.cognito, office.world.stage.provisioned.user_pool_id
    email = f"{uuid.uuid4().hex[:12]}@example.com"
    cognito.admin_create_user(UserPoolId=pool, Username=email, TemporaryPassword="Given-by-admin-1", MessageAction="SUPPRESS")
    cognito.admin_add_user_to_group(UserPoolId=pool, Username=email, GroupName="admin")
    async with office.visitor() as door:
        door.expected = ("400",)
        await sign_in(door, email, "Given-by-admin-1")
        assert "Choose a password" in await door.text()
        await door.page.get_by_label("New password").fill("Chosen-by-me-1")
        await door.page.get_by_label("The same again").fill("Chosen-by-me-2")
        await door.press("Save and sign in")
        assert "differ" in await door.text()
        for label in ("New password", "The same again"):
            await door.page.get_by_label(label).fill("Chosen-by-me-1")
        async with door.page.expect_navigation():
            await door.press("Save and sign in")
        assert door.page.url.endswith("/console/")
    async with office.visitor() as door:
        await sign_in(door, email, "Chosen-by-me-1")
        assert door.page.url.endswith("/console/")


async def test_an_idle_session_ends_and_the_way_back_leads_to_the_page(office: Office) -> None:
    async with office.operator() as desk:
        desk.expected = ("401",)  # the page may notice by itself, before the operator does
        await desk.go("/console/requests?status=approved")
        office.world.clock.pass_time(minutes=31)
        await desk.go("/console/requests?status=approved")
        assert "The session has ended" in await desk.text()
        await sign_in(desk, (await office.world.operator()).email)
        assert desk.page.url.endswith("/console/requests?status=approved")


async def test_an_hour_later_the_pool_is_asked_again_without_anybody_noticing(office: Office) -> None:
    async with office.operator() as desk:
        for _ in range(3):
            office.world.clock.pass_time(minutes=25)
            assert await desk.go("/console/requests") == 200
            assert desk.page.url.endswith("/console/requests")


async def test_a_form_from_elsewhere_changes_nothing(office: Office) -> None:
    async with office.operator() as desk:
        cookies = {each["name"]: each["value"] for each in await desk.context.cookies()}
    async with httpx.AsyncClient(base_url=office.url, cookies=cookies) as http:
        for headers, fields in (
            ({}, {}),
            ({}, {"form": "0" * 64}),
            ({"origin": "https://elsewhere.example"}, {"form": "0" * 64}),
            ({"sec-fetch-site": "cross-site"}, {"form": "0" * 64}),
        ):
            reply = await http.post("/console/sign-out", data=fields, headers=headers)
            assert reply.status_code == 403
            assert "This form is not from a page of yours" in reply.text
        assert (await http.get("/console/requests")).status_code == 200


async def test_the_way_back_never_leads_to_another_site(office: Office) -> None:
    operator = await office.world.operator()
    for wanted in (
        "https://elsewhere.example/",
        "//elsewhere.example",
        "/console/..//elsewhere.example",
        "/console/sign-in",
        "javascript:alert(1)",
    ):
        async with office.visitor() as door:
            await door.go(f"/console/sign-in?next={wanted}")
            await sign_in(door, operator.email)
            assert door.page.url == f"{office.url}/console/"


async def test_an_address_typed_as_an_e_mail_counts_against_nobody(office: Office) -> None:
    operator = await office.world.stranger(admin=True)
    async with httpx.AsyncClient(base_url=office.url) as http:
        token = re.findall(r'name="form" value="(\w+)"', (await http.get("/console/sign-in")).text)[0]
        for _ in range(25):
            assert (
                await http.post("/console/sign-in", data={"form": token, "email": "127.0.0.1", "password": "x"})
            ).status_code == 401
        assert (
            await http.post("/console/sign-in", data={"form": token, "email": operator.subject, "password": PASSWORD})
        ).status_code == 401
        fields = {"form": token, "email": operator.email, "password": PASSWORD}
        assert (await http.post("/console/sign-in", data=fields)).status_code == 303


async def test_without_the_cookie_of_the_form_there_is_no_sign_in(office: Office) -> None:
    async with httpx.AsyncClient(base_url=office.url) as http:
        reply = await http.post("/console/sign-in", data={"form": form_token(""), "email": "a@b", "password": "x"})
        assert reply.status_code == 403
