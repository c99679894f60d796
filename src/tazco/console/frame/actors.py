"""Who did something, as every operator may read it."""

from collections.abc import Sequence
from typing import Final

from tazco.audit.model import AuditEntry
from tazco.notifications.rules import last_four
from tazco.platform.policy import Approver

WHATSAPP: Final = "whatsapp:"


def actor_told(approvers: Sequence[Approver], deed: AuditEntry) -> str:
    """Who did it; of somebody who answered by WhatsApp the name, if still enrolled, and no more than the last four characters."""
    if not deed.admin_email.startswith(WHATSAPP):
        return deed.admin_email or deed.actor_id
    names = (each.name for each in approvers if deed.actor_id in (each.phone, each.user_id))
    return f"{next(names, '')} {last_four(deed.actor_id)}".strip()
