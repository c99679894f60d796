"""The operator of a replay: a real user of the pool in the group `admin`, who sets scores and decides requests over the API."""

import asyncio
import uuid
from dataclasses import dataclass, field
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from tazco.kernel.money import Money, from_decimal
from tazco.local.people import Pool, SignInFailed, Tokens
from tazco.local.replay.patient_client import BUSY, PatientClient, Unexpected, described
from tazco.platform.jsontext import amount

TOKEN_RENEWED_SECONDS: Final = 40 * 60
SUCCESS: Final = (200, 201)
NOT_FOUND: Final = 404


async def signed_in(pool: Pool, email: str, password: str, *, operator: bool) -> Tokens:
    """Tokens of somebody who is in the pool from now on; raise `Unexpected` with the pool's words."""

    def enrol() -> Tokens:
        pool.enrol(email, password, operator=operator)
        return pool.sign_in(email, password)

    try:
        return await asyncio.to_thread(enrol)
    except (BotoCoreError, ClientError, SignInFailed) as error:
        raise Unexpected(f"the user pool refused {email}: {error}") from error


@dataclass(slots=True)
class Operator:
    """Acts with a token that is renewed in time."""

    client: PatientClient
    pool: Pool
    email: str
    password: str
    ecosystem_id: str = ""
    _tokens: Tokens | None = None
    _renew_at: float = 0
    _renewing: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def register(self) -> None:
        """Enter the pool and the programme."""
        await self._token()
        assert self._tokens is not None
        reply = await self.client.call("POST", "/v1/users", token=self._tokens.id, body={})
        if reply.status not in SUCCESS:
            raise Unexpected(f"the operator cannot register: {described(reply)}")
        self.ecosystem_id = str(reply.body["user"]["ecosystemId"])

    async def set_score(self, ecosystem_id: str, score: int, reason: str) -> None:
        """Set a person's score."""
        body = {"score": score, "reason": reason}
        await self._command("PATCH", f"/v1/admin/users/{ecosystem_id}/score", body, BUSY)

    async def approve(self, request_id: str, limit: Money) -> Any:
        """Grant the card of a pending request; the index that finds requests may not know a new one yet, so 404 asks again."""
        path = f"/v1/admin/card-requests/{request_id}/approve"
        return (await self._command("POST", path, {"creditLimit": amount(limit)}, (*BUSY, NOT_FOUND)))["card"]

    async def offered(self) -> Money:
        """The limit that the API offers for the operator's own tier: how the policy in force shows from outside."""
        reply = await self.client.call("GET", "/v1/offers", token=await self._token())
        if reply.status not in SUCCESS or not reply.body["offers"]:
            raise Unexpected(f"the operator gets no offer: {described(reply)}")
        return from_decimal(reply.body["offers"][0]["terms"]["creditLimit"])

    async def _command(self, method: str, path: str, body: Any, again_on: tuple[int, ...]) -> Any:
        reply = await self.client.call(method, path, token=await self._token(), body=body, key=str(uuid.uuid4()), again_on=again_on)
        if reply.status not in SUCCESS:
            raise Unexpected(f"{method} {path} by the operator: {described(reply)}")
        return reply.body

    async def _token(self) -> str:
        async with self._renewing:
            now = asyncio.get_running_loop().time()
            if self._tokens is None or now >= self._renew_at:
                self._tokens = await signed_in(self.pool, self.email, self.password, operator=True)
                self._renew_at = now + TOKEN_RENEWED_SECONDS
        return self._tokens.access
