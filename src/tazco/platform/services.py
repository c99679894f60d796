"""What a running program consists of; built once, in `wiring`."""

from dataclasses import dataclass

from tazco.kernel.clock import Clock
from tazco.kernel.ids import NewId
from tazco.platform.aws import Aws
from tazco.platform.commands import Commands
from tazco.platform.database import Database
from tazco.platform.health import Health
from tazco.platform.http.gate import Gate
from tazco.platform.leases import Leases, Maintenance
from tazco.platform.metrics import Metrics
from tazco.platform.paging import Cursors
from tazco.platform.policy_source import PolicySource
from tazco.platform.settings import Settings
from tazco.platform.tables import Table
from tazco.platform.user_pool import UserPool
from tazco.platform.whatsapp.messages import Messenger


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """The parts that ways in hand to the slices. `tables` are all tables of the house; without credentials there is no messenger."""

    settings: Settings
    aws: Aws
    database: Database
    commands: Commands
    gate: Gate
    cursors: Cursors
    policies: PolicySource
    leases: Leases
    maintenance: Maintenance
    health: Health
    metrics: Metrics
    messenger: Messenger | None
    user_pool: UserPool
    clock: Clock
    new_id: NewId
    tables: tuple[Table, ...]  # type: ignore[type-arg]  # tables of all record types
