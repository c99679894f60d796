"""AWS Signature Version 4 for JSON POST requests; the tests hold it against botocore's own signer."""

import hashlib
import hmac
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

ALGORITHM: Final = "AWS4-HMAC-SHA256"


@dataclass(frozen=True, slots=True)
class Credentials:
    """What the SDK's provider chain found."""

    access_key: str
    secret_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


@dataclass(slots=True)
class Signer:
    """Signs for one service in one region; the day's key is derived once a day and credential."""

    service: str
    region: str
    _key_of: tuple[str, str] = field(default=("", ""), repr=False)
    _key: bytes = field(default=b"", repr=False)

    def headers(
        self, credentials: Credentials, host: str, target: str, content_type: str, body: bytes, now: datetime
    ) -> dict[str, str]:
        """The headers of a signed `POST /` with `X-Amz-Target`; `now` is an aware instant."""
        stamp = now.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
        day = stamp[:8]
        names = "content-type;host;x-amz-date"
        canonical = f"content-type:{content_type}\nhost:{host}\nx-amz-date:{stamp}\n"
        headers = {"host": host, "content-type": content_type, "x-amz-date": stamp, "x-amz-target": target}
        if credentials.session_token:
            names += ";x-amz-security-token"
            canonical += f"x-amz-security-token:{credentials.session_token}\n"
            headers["x-amz-security-token"] = credentials.session_token
        names += ";x-amz-target"
        canonical += f"x-amz-target:{target}\n"
        request = f"POST\n/\n\n{canonical}\n{names}\n{hashlib.sha256(body).hexdigest()}"
        scope = f"{day}/{self.region}/{self.service}/aws4_request"
        to_sign = f"{ALGORITHM}\n{stamp}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
        signature = _hmac(self._signing_key(credentials.secret_key, day), to_sign).hex()
        headers["authorization"] = (
            f"{ALGORITHM} Credential={credentials.access_key}/{scope}, SignedHeaders={names}, Signature={signature}"
        )
        return headers

    def _signing_key(self, secret: str, day: str) -> bytes:
        if self._key_of != (secret, day):
            key = f"AWS4{secret}".encode()
            for part in (day, self.region, self.service, "aws4_request"):
                key = _hmac(key, part)
            self._key, self._key_of = key, (secret, day)
        return self._key
