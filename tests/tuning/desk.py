"""An operator's desk over a world whose transport a test may disturb."""

import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from tazco.audit.model import AuditEntry
from tazco.audit.store import AUDIT_LOGS
from tazco.kernel.ids import CorrelationId, Subject
from tazco.platform.aws import Call
from tazco.platform.caller import Caller, Origin
from tazco.platform.wire import Pool, Reply
from tazco.tuning.commands import SetParameter, set_parameter
from tazco.tuning.model import Change
from tazco.tuning.store import parameters
from tests.platform.faults import Faulty
from tests.stage import Stage
from tests.world import World, open_world


@dataclass(slots=True)
class Disturbed(Faulty):
    """Faults, and deeds of others right before an operation goes out for the first time."""

    before: dict[str, Callable[[], None]] = field(default_factory=dict)

    async def __call__(self, call: Call, pool: Pool, request: bytes, timeout_seconds: float) -> Reply:
        deed = self.before.pop(call.operation, None)
        if deed is not None:
            deed()
        return await Faulty.__call__(self, call, pool, request, timeout_seconds)


@dataclass(slots=True)
class Desk:
    """Where an operator sits."""

    world: World
    wire: Disturbed
    who: str = "ada"

    async def change(self, name: str, text: str, *, version: int | None = None, key: str = "", reason: str = "Because") -> Change:
        """Set a parameter that was looked at just before, unless the test says otherwise."""
        seen = self.version(name) if version is None else version
        command = SetParameter(name=name, text=text, reason=reason, expected_version=seen)
        return await set_parameter(self.world.services, self.origin, key or str(uuid.uuid4()), command)

    @property
    def origin(self) -> Origin:
        """A call of this operator."""
        caller = Caller(subject=Subject(self.who), is_admin=True, email=f"{self.who}@example.com")
        return Origin(caller=caller, correlation_id=CorrelationId(str(uuid.uuid4())), ip_address="192.0.2.1", user_agent="test")

    def colleague(self) -> "Desk":
        """Another operator in the same process."""
        return Desk(self.world, self.wire, "bob")

    def text(self, name: str) -> str | None:
        """What SSM holds, asked past our own code."""
        return self._held(name)[0]

    def version(self, name: str) -> int:
        """Its version there; 0 for none."""
        return self._held(name)[1]

    def _held(self, name: str) -> tuple[str | None, int]:
        full_name = f"{self.world.stage.names.ssm_prefix}/{name}"
        found = self.world.stage.clients.ssm.get_parameters(Names=[full_name], WithDecryption=True)["Parameters"]
        return (found[0]["Value"], found[0]["Version"]) if found else (None, 0)

    async def entries(self, name: str) -> list[AuditEntry]:
        """What the audit says of a parameter, oldest first."""
        rows = [AUDIT_LOGS.codec.decode(row) for row in await self.world.rows(AUDIT_LOGS)]
        return sorted((row for row in rows if row.target_id == name), key=lambda row: (row.timestamp, row.log_id))

    async def actions(self, name: str) -> list[str]:
        """Their actions."""
        return [entry.action.value for entry in await self.entries(name)]

    async def seen(self, name: str) -> tuple[str | None, int, str]:
        """Text, version and source as operators are shown them."""
        found = next(each for each in await parameters(self.world.services) if each.name == name)
        return found.text, found.version, found.source.value


@asynccontextmanager
async def open_desk(stage: Stage) -> AsyncIterator[Desk]:
    """A desk in a process of its own."""
    wire = Disturbed()
    async with open_world(stage, transport=wire) as world:
        yield Desk(world, wire)
