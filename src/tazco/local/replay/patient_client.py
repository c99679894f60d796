"""Calls that outlast a restart of the API: the same key again until there is an answer, every exchange timed."""

import asyncio
import itertools
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from tazco.local.http_client import ApiClient, Reply
from tazco.platform.wire import WireFailure

PATIENCE_SECONDS: Final = 120.0
BACKOFF_BASE_SECONDS: Final = 0.05
BACKOFF_MAX_SECONDS: Final = 2.0
BUSY: Final = (429, 503)
LOST_TO_OTHERS: Final = "VERSION_CONFLICT"


class Unexpected(Exception):
    """An answer that the rules do not explain, or none at all; the message quotes it."""


@dataclass(slots=True)
class PatientClient:
    """The API, asked again while it is away, busy or in conflict, for at most `PATIENCE_SECONDS` a call.

    `seconds` holds how long each answered exchange took; `repeats` counts the exchanges that had to be made again.
    """

    api: ApiClient
    rng: random.Random
    seconds: list[float] = field(default_factory=list)
    repeats: int = 0

    async def call(
        self,
        method: str,
        path: str,
        *,
        token: str | None,
        body: Mapping[str, Any] | None = None,
        key: str | None = None,
        again_on: tuple[int, ...] = BUSY,
    ) -> Reply:
        """The final answer; a command must bring its key, so that no repetition acts twice. Raise `Unexpected` without one."""
        now = asyncio.get_running_loop().time
        deadline = now() + PATIENCE_SECONDS
        for attempt in itertools.count(1):
            reply, failure = await self._exchange(method, path, token, body, key)
            if reply is not None and reply.status not in again_on and _code(reply) != LOST_TO_OTHERS:
                return reply
            pause = self._pause(reply, attempt)
            if now() + pause > deadline:
                break
            self.repeats += 1
            await asyncio.sleep(pause)
        raise Unexpected(f"{method} {path}: no final answer in {PATIENCE_SECONDS:g} s: {described(reply) if reply else failure}")

    async def _exchange(
        self, method: str, path: str, token: str | None, body: Mapping[str, Any] | None, key: str | None
    ) -> tuple[Reply | None, Exception | None]:
        now = asyncio.get_running_loop().time
        began = now()
        try:
            reply = await self.api.call(method, path, token=token, body=body, key=key)
        except WireFailure as failure:
            return None, failure
        except ValueError as error:
            raise Unexpected(f"{method} {path}: the answer is not JSON: {error}") from error
        self.seconds.append(now() - began)
        return reply, None

    def _pause(self, reply: Reply | None, attempt: int) -> float:
        """As long as the API asks for, or a growing while with full jitter."""
        asked = reply.headers.get("retry-after", "") if reply is not None else ""
        if asked.isdecimal():
            return float(asked) + self.rng.uniform(0, BACKOFF_BASE_SECONDS)
        return self.rng.uniform(0, min(BACKOFF_MAX_SECONDS, BACKOFF_BASE_SECONDS * 2 ** min(attempt, 16)))


def _code(reply: Reply) -> str | None:
    error = reply.body.get("error") if isinstance(reply.body, dict) else None
    return str(error.get("code")) if isinstance(error, dict) else None


def refusal_of(reply: Reply) -> tuple[int, str, str]:
    """Status, code and message of a no."""
    error = reply.body.get("error", {}) if isinstance(reply.body, dict) else {}
    return reply.status, str(error.get("code", "")), str(error.get("message", ""))


def described(reply: Reply) -> str:
    """An answer in one line."""
    status, code, message = refusal_of(reply)
    return f"{status} {code} {message}".strip() if code else f"{status} {str(reply.body)[:200]}"
