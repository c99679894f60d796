"""The identity provider's public keys: fetched rarely, by one task at a time, and kept through an outage."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlsplit

import orjson
import structlog
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt.algorithms import RSAAlgorithm
from jwt.exceptions import PyJWTError

from tazco.kernel.errors import Unavailable
from tazco.platform.wire import Address, Pool, WireFailure, request_bytes

ALGORITHM: Final = "RS256"
FRESH_SECONDS: Final = 600.0
GRACE_SECONDS: Final = 24 * 3600.0
REFETCH_SECONDS_MIN: Final = 10.0
"""Between two fetches while keys are held: neither unknown key ids nor an outage make more of them."""

RETRY_SECONDS_MIN: Final = 5
"""Between two fetches while no key is held; also what a refused client is told to wait."""

FETCH_SECONDS_MAX: Final = 3.0
KEY_SET_BYTES_MAX: Final = 64 * 1024
KEY_BITS_MIN: Final = 2048
KEY_BITS_MAX: Final = 8192

log = structlog.get_logger()


class NoKeySet(Exception):
    """The address did not give a usable key set; the message says why."""


async def fetch_key_set(url: str) -> bytes:
    """One GET, at most 3 seconds and 64 KiB, redirects refused; raise `NoKeySet`."""
    address, parts = Address.of(url), urlsplit(url)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    headers = {"host": address.authority, "accept": "application/json", "connection": "close"}
    pool = Pool(address, connections_max=1, body_bytes_max=KEY_SET_BYTES_MAX)
    try:
        reply = await pool.exchange(request_bytes("GET", target, headers), timeout_seconds=FETCH_SECONDS_MAX)
    except WireFailure as failure:
        raise NoKeySet(str(failure)) from failure
    finally:
        pool.close()
    if reply.status != HTTPStatus.OK:
        raise NoKeySet(f"{address.authority} answered {reply.status}")
    return reply.body


def read_key_set(raw: bytes) -> dict[str, RSAPublicKey]:
    """Key id → RSA signing key; what is broken or of another kind is left out. Raise `NoKeySet` if nothing remains."""
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise NoKeySet(f"the key set is not JSON: {error}") from error
    listed = value.get("keys") if isinstance(value, dict) else None
    keys: dict[str, RSAPublicKey] = {}
    for jwk in listed if isinstance(listed, list) else ():
        key = _signing_key(jwk) if isinstance(jwk, dict) else None
        if key is not None and isinstance(jwk.get("kid"), str):
            keys.setdefault(jwk["kid"], key)
    if not keys:
        raise NoKeySet(f"the key set holds no {ALGORITHM} key")
    return keys


def _signing_key(jwk: Mapping[str, Any]) -> RSAPublicKey | None:
    if jwk.get("kty") != "RSA" or jwk.get("use", "sig") != "sig" or jwk.get("alg", ALGORITHM) != ALGORITHM:
        return None
    modulus, exponent = jwk.get("n"), jwk.get("e")
    if not isinstance(modulus, str) or not isinstance(exponent, str):
        return None
    try:
        # Only the public half: a set that leaks a private key is still verified with its public one.
        key = RSAAlgorithm.from_jwk({"kty": "RSA", "n": modulus, "e": exponent})
    except (PyJWTError, ValueError, OverflowError):
        return None
    return key if isinstance(key, RSAPublicKey) and KEY_BITS_MIN <= key.key_size <= KEY_BITS_MAX else None


@dataclass(slots=True)
class Jwks:
    """The keys of one provider. `monotonic` counts seconds; `fetch` gives the key set's bytes or raises `NoKeySet`.

    A key that is held is answered at once, also while an older set is being renewed. Keys outlive an outage by 24 hours.
    """

    url: str
    monotonic: Callable[[], float] = time.monotonic
    fetch: Callable[[str], Awaitable[bytes]] = fetch_key_set
    _keys: Mapping[str, RSAPublicKey] = field(default_factory=dict)
    _good_at: float = float("-inf")
    _tried_at: float = float("-inf")
    _problem: str | None = "never fetched"
    _task: asyncio.Task[None] | None = None

    async def key(self, kid: str) -> RSAPublicKey | None:
        """The key, or None if the provider does not know it; raise `Unavailable` where it cannot be asked."""
        if (held := self._held().get(kid)) is not None:
            if self._stale:
                self._start_fetch()
            return held
        await self._fetched()
        found = self._held().get(kid)
        if found is None and self._problem is not None:
            raise Unavailable("The identity provider cannot be reached. Try again shortly.", retry_after=RETRY_SECONDS_MIN)
        return found

    async def prefetch(self) -> None:
        """Fetch at start, so that the first caller need not wait; a failure is logged and tried again on need."""
        await self._fetched()

    async def healthy(self) -> bool:
        """Tokens can be verified now; asks the provider if no key is held, and renews an older set meanwhile."""
        if not self._held():
            await self._fetched()
        elif self._stale:
            self._start_fetch()
        return bool(self._held())

    @property
    def _age(self) -> float:
        return self.monotonic() - self._good_at

    @property
    def _stale(self) -> bool:
        return self._age >= FRESH_SECONDS

    def _held(self) -> Mapping[str, RSAPublicKey]:
        return self._keys if self._age < GRACE_SECONDS else {}

    async def _fetched(self) -> None:
        """Wait for the fetch under way, or for a new one if it is time for one."""
        self._start_fetch()
        if self._task is not None and not self._task.done():
            await asyncio.shield(self._task)  # one caller's cancellation is no other's

    def _start_fetch(self) -> None:
        pause = REFETCH_SECONDS_MIN if self._held() else RETRY_SECONDS_MIN
        under_way = self._task is not None and not self._task.done()
        if not under_way and self.monotonic() - self._tried_at >= pause:
            self._tried_at = self.monotonic()
            self._task = asyncio.create_task(self._fetch(), name="key set fetch")

    async def _fetch(self) -> None:
        try:
            keys = read_key_set(await self.fetch(self.url))
        except NoKeySet as failure:
            if self._problem != str(failure):
                log.warning("jwks.not_fetched", url=self.url, problem=str(failure), keys_held=len(self._held()))
            self._problem = str(failure)
        else:
            self._keys, self._good_at, self._problem = keys, self.monotonic(), None
