"""A world: the whole application in process over the embedded cloud, real people with real tokens, a clock that can be moved."""

import json
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx
from fastapi import FastAPI
from pydantic import SecretStr

from tazco.app import api
from tazco.kernel.clock import system_clock
from tazco.platform.aws import Transport, over_the_wire
from tazco.platform.services import Services
from tazco.platform.settings import Settings
from tazco.platform.tables import Table
from tazco.wiring import Parts, services
from tests.stage import Stage

WHATSAPP = {
    "whatsapp_meta_phone_number_id": "123456",
    "whatsapp_meta_access_token": SecretStr("throw-away"),
    "whatsapp_meta_app_secrets": (SecretStr("throw-away"),),
    "whatsapp_meta_verify_token": SecretStr("throw-away"),
}
PASSWORD = "Correct-horse-1"


@dataclass(slots=True)
class MovableClock:
    """The system's clock, shifted by as much as a test wants."""

    shift: timedelta = timedelta()

    def __call__(self) -> datetime:
        return system_clock() + self.shift

    def pass_time(self, **duration: float) -> None:
        """Move on."""
        self.shift += timedelta(**duration)


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer, its numbers as decimals."""

    status: int
    headers: Mapping[str, str]
    body: Any

    @property
    def code(self) -> str:
        """The error code."""
        return str(self.body["error"]["code"])

    @property
    def message(self) -> str:
        """What people are shown."""
        return str(self.body["error"]["message"])


@dataclass(slots=True)
class Person:
    """Somebody with a token."""

    world: "World"
    subject: str
    email: str
    access_token: str
    id_token: str
    ecosystem_id: str = ""

    async def call(self, method: str, path: str, body: Any = None, *, key: str | None = None, **headers: str) -> Reply:
        """One request with the access token; commands get a fresh key unless one is given ("" sends none)."""
        sent = {
            "authorization": f"Bearer {self.access_token}",
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        if method in ("POST", "PATCH") and key != "":
            sent.setdefault("idempotency-key", key or str(uuid.uuid4()))
        return await self.world.call(method, path, body, sent)

    async def get(self, path: str, **headers: str) -> Reply:
        """Read."""
        return await self.call("GET", path, **headers)

    async def post(self, path: str, body: Any = None, *, key: str | None = None, **headers: str) -> Reply:
        """Command."""
        return await self.call("POST", path, body, key=key, **headers)

    async def register(self) -> Reply:
        """Sign in, for the first time or again."""
        reply = await self.post("/v1/users", {"email": self.email})
        self.ecosystem_id = reply.body["user"]["ecosystemId"]
        return reply

    async def ask_for_card(self, product_id: str = "basic") -> Reply:
        """Ask for a card."""
        return await self.post("/v1/cards/requests", {"productId": product_id})

    async def buy(self, card_id: str, amount: Any, *, key: str | None = None) -> Reply:
        """Buy something."""
        return await self.post(f"/v1/cards/{card_id}/transactions/purchases", {"amount": amount, "merchant": "Shop"}, key=key)

    async def pay(self, card_id: str, amount: Any, *, key: str | None = None) -> Reply:
        """Pay back."""
        return await self.post(f"/v1/cards/{card_id}/transactions/payments", {"amount": amount}, key=key)


@dataclass(slots=True)
class World:
    """The application and everybody in it."""

    stage: Stage
    settings: Settings
    services: Services
    http: httpx.AsyncClient
    clock: MovableClock
    _operator: Person | None = field(default=None)

    async def call(self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Reply:
        """One request; a body that is bytes goes out as it is."""
        content = body if isinstance(body, bytes) else None if body is None else json.dumps(body, default=_plain).encode()
        response = await self.http.request(method, path, content=content, headers=dict(headers or {}))
        parsed = json.loads(response.content, parse_float=Decimal) if response.content else None
        return Reply(response.status_code, response.headers, parsed)

    async def stranger(self, *, admin: bool = False, attributes: Mapping[str, str] | None = None) -> Person:
        """Somebody whom the pool knows and we do not."""
        cognito, provisioned = self.stage.clients.cognito, self.stage.provisioned
        email = f"{uuid.uuid4().hex[:12]}@example.com"
        given = {"email": email, "email_verified": "true", **(attributes or {})}
        created = cognito.admin_create_user(
            UserPoolId=provisioned.user_pool_id,
            Username=email,
            UserAttributes=[{"Name": name, "Value": value} for name, value in given.items()],
            MessageAction="SUPPRESS",
        )
        username = created["User"]["Username"]
        cognito.admin_set_user_password(UserPoolId=provisioned.user_pool_id, Username=username, Password=PASSWORD, Permanent=True)
        if admin:
            cognito.admin_add_user_to_group(UserPoolId=provisioned.user_pool_id, Username=username, GroupName="admin")
        tokens = cognito.admin_initiate_auth(
            UserPoolId=provisioned.user_pool_id,
            ClientId=provisioned.client_id,
            AuthFlow="ADMIN_USER_PASSWORD_AUTH",
            AuthParameters={"USERNAME": email, "PASSWORD": PASSWORD},
        )["AuthenticationResult"]
        subject = next(each["Value"] for each in created["User"]["Attributes"] if each["Name"] == "sub")
        return Person(self, subject, email, tokens["AccessToken"], tokens["IdToken"])

    async def operator(self) -> Person:
        """An operator, registered; the same one each time."""
        if self._operator is None:
            self._operator = await self.stranger(admin=True)
            await self._operator.register()
        return self._operator

    async def person(self, score: int | None = None) -> Person:
        """A registered cardholder-to-be, with a score if one is given."""
        somebody = await self.stranger()
        await somebody.register()
        if score is not None:
            await self.set_score(somebody, score)
        return somebody

    async def set_score(self, somebody: Person, score: int) -> None:
        """Have the operator set a score."""
        operator = await self.operator()
        body = {"score": score, "reason": "test"}
        reply = await operator.call("PATCH", f"/v1/admin/users/{somebody.ecosystem_id}/score", body)
        assert reply.status == 200, reply

    async def cardholder(self, score: int = 720) -> tuple[Person, str]:
        """Somebody with a card, granted by score."""
        somebody = await self.person(score)
        reply = await somebody.ask_for_card()
        assert reply.status == 201, reply
        return somebody, str(reply.body["request"]["card"]["cardId"])

    async def rows(self, table: Table[Any]) -> list[dict[str, Any]]:
        """Every item of a table, as DynamoDB has it."""
        return [item async for item in self.services.database.scan(table)]

    def set_parameter(self, name: str, value: str) -> None:
        """Change a policy parameter in SSM, as an operator would."""
        self.stage.clients.ssm.put_parameter(
            Name=f"{self.stage.names.ssm_prefix}/{name}", Value=value, Type="String", Overwrite=True
        )


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return float(value)
    raise TypeError


@asynccontextmanager
async def open_services(
    stage: Stage, clock: MovableClock, *, transport: Transport = over_the_wire, report_capacity: bool = False, **settings: Any
) -> AsyncIterator[Services]:
    """Start what stands behind the application on a stage, without the application."""
    chosen = stage.settings(**{**WHATSAPP, **settings})
    parts = Parts(clock=clock, transport=transport, report_capacity=report_capacity)
    async with services(chosen, stage.cloud, parts) as running:
        yield running


@asynccontextmanager
async def open_world(
    stage: Stage, *, transport: Transport = over_the_wire, report_capacity: bool = False, **settings: Any
) -> AsyncIterator[World]:
    """Start the application on a stage."""
    clock = MovableClock()
    async with open_services(stage, clock, transport=transport, report_capacity=report_capacity, **settings) as running:
        edge = api(running.settings, lambda: _already(running))
        app: FastAPI = edge.app  # type: ignore[attr-defined]  # the edge wraps it
        app.state.services = running
        async with httpx.AsyncClient(transport=httpx.ASGITransport(edge), base_url="http://tazco.test") as http:
            yield World(stage, running.settings, running, http, clock)


@asynccontextmanager
async def _already(running: Services) -> AsyncIterator[Services]:
    yield running
