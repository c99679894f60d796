"""The gate: token → caller. 401 or 503, then 403 for a disabled account, then 403 for someone who is no admin."""

from collections.abc import Callable, MutableMapping
from dataclasses import dataclass

from tazco.kernel.errors import AccountDisabled, Code, Forbidden, Refused
from tazco.platform.caller import Caller
from tazco.platform.directory import Directory
from tazco.platform.http.limits import Window, spend
from tazco.platform.identity import Token, Verifier
from tazco.platform.policy import Policy


@dataclass(slots=True)
class Gate:
    """Verifies, looks up, counts."""

    verifier: Verifier
    directory: Directory
    policy: Callable[[], Policy]
    calls: Window
    failures: Window

    async def admit(self, authorization: str | None, address: str, headers: MutableMapping[str, str]) -> Caller:
        """The caller; only failures count against an address. What the limits leave is written into the answer's `headers`."""
        policy = self.policy()
        try:
            token = await self.verifier.verify(authorization)
        except Refused as refusal:
            if refusal.code in (Code.INVALID_TOKEN, Code.TOKEN_EXPIRED):
                spend(self.failures, address, policy.auth_failures_per_minute, headers)
            raise
        spend(self.calls, token.subject, policy.api_per_minute, headers)
        return await self.recognise(token)

    async def recognise(self, token: Token) -> Caller:
        """The caller with a verified token; refuse a disabled account."""
        known = await self.directory.find(token.subject, token.claimed_ecosystem_id)
        if known is not None and known.disabled:
            raise AccountDisabled("This account is disabled. Contact support.")
        return Caller(
            subject=token.subject,
            ecosystem_id=known.ecosystem_id if known else None,
            is_admin=token.is_admin,
            email=token.email,
            claimed_ecosystem_id=token.claimed_ecosystem_id,
        )


def require_admin(caller: Caller) -> None:
    """Refuse anyone whose token does not say that the pool put them into the group `admin`."""
    if not caller.is_admin:
        raise Forbidden("This needs an operator: the account is not in the group admin.")
