"""Sessions: a random token in a cookie, everything else on our side and sealed with that token.

The row is found by the token's hash and opened with a key that follows from the token, so that whoever reads the table can neither
use a session nor the tokens in it. Idle and absolute ends are checked on every read; the TTL only tidies up.
"""

import base64
import hashlib
import hmac
import json
import secrets
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tazco.kernel.record import Versioned
from tazco.platform.database import Database
from tazco.platform.idempotency import STORED_ANSWERS
from tazco.platform.tables import Get, Table

SCOPE: Final = "console-session"
SIGN_IN_LIFE: Final = timedelta(minutes=3)
"""For choosing a new password; Cognito's own session lives as long."""

SESSION_LIFE: Final = timedelta(hours=12)
TOUCH_EVERY: Final = timedelta(minutes=1)
TOKEN_BYTES: Final = 32
NONCE_BYTES: Final = 12
SEAL: Final = b"tazco console: seal"
FORMS: Final = b"tazco console: forms"


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionRow(Versioned):
    """One session. `sealed` holds tokens; `seen_at` is when the operator last did something; `expires_at` is in epoch seconds."""

    scope: str = SCOPE
    token_hash: str
    sealed: str
    created_at: datetime
    seen_at: datetime
    expires_at: int


SESSIONS: Final = Table(
    name=STORED_ANSWERS.name,
    record=SessionRow,
    partition=STORED_ANSWERS.partition,
    sort=STORED_ANSWERS.sort,
    spelling={"scope": "ecosystemId", "token_hash": "keyHash"},
    ttl=STORED_ANSWERS.ttl,
    ledger=False,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A session whose cookie came with this request; `content` is what was sealed."""

    token: str
    row: SessionRow
    content: dict[str, Any]

    @property
    def form_token(self) -> str:
        """What every form of this session carries."""
        return form_token(self.token)


def form_token(secret: str) -> str:
    """Proves that a form comes from a page that was given to the holder of the cookie `secret`."""
    return hmac.digest(secret.encode(), FORMS, "sha256").hex()


@dataclass(frozen=True, slots=True)
class Sessions:
    """Opens, keeps and ends sessions; `idle` is how long one lives without its operator doing anything."""

    database: Database
    idle: timedelta

    async def start(self, content: dict[str, Any], now: datetime, life: timedelta = SESSION_LIFE) -> Session:
        """A new session with a new token."""
        token = secrets.token_urlsafe(TOKEN_BYTES)
        row = SessionRow(
            token_hash=_hash(token),
            sealed=_seal(token, content),
            created_at=now,
            seen_at=now,
            expires_at=int((now + life).timestamp()),
            version=1,
        )
        written = await self.database.write(SESSIONS, row, condition="attribute_not_exists(#p)")
        assert written, "thirty-two random bytes do not repeat"
        return Session(token=token, row=row, content=content)

    async def find(self, token: str, now: datetime) -> Session | None:
        """The session of a cookie, if there is one and it has not ended."""
        (row,) = await self.database.read(Get(SESSIONS, (SCOPE, _hash(token))))
        if row is None or row.expires_at <= now.timestamp() or row.seen_at + self.idle <= now:
            return None
        content = _open(token, row.sealed)
        return None if content is None else Session(token=token, row=row, content=content)

    async def touch(self, session: Session, now: datetime) -> Session:
        """The operator did something; written down once a minute."""
        if now - session.row.seen_at < TOUCH_EVERY:
            return session
        return await self._move(session, replace(session.row, seen_at=now))

    async def refill(self, session: Session, content: dict[str, Any]) -> Session:
        """The same session with other contents."""
        moved = await self._move(session, replace(session.row, sealed=_seal(session.token, content)))
        return replace(moved, content=content)

    async def end(self, session: Session) -> None:
        """Forget it; the cookie opens nothing any more."""
        await self.database.delete_all(SESSIONS, [(SCOPE, session.row.token_hash)])

    async def _move(self, session: Session, row: SessionRow) -> Session:
        """Write unless somebody else has, or has ended the session: then what we hold is good for this request alone."""
        moved = replace(row, version=session.row.version + 1)
        await self.database.write(SESSIONS, moved, condition="version = :read", values={":read": {"N": str(session.row.version)}})
        return replace(session, row=moved)


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _key(token: str) -> bytes:
    return hmac.digest(token.encode(), SEAL, "sha256")


def _seal(token: str, content: dict[str, Any]) -> str:
    nonce = secrets.token_bytes(NONCE_BYTES)
    sealed = AESGCM(_key(token)).encrypt(nonce, json.dumps(content).encode(), None)
    return base64.b64encode(nonce + sealed).decode()


def _open(token: str, sealed: str) -> dict[str, Any] | None:
    raw = base64.b64decode(sealed)
    try:
        content = json.loads(AESGCM(_key(token)).decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], None))
    except InvalidTag:
        return None
    return dict(content)
