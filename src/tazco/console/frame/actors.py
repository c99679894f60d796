"""Who did something, as every operator may read it."""

from typing import Final

from tazco.audit.model import AuditEntry
from tazco.notifications.rules import last_four

WHATSAPP: Final = "whatsapp:"


def actor_told(deed: AuditEntry) -> str:
    """Who did it; of somebody who answered by WhatsApp no more than the last four characters."""
    if deed.admin_email.startswith(WHATSAPP):
        return WHATSAPP + last_four(deed.actor_id)
    return deed.admin_email or deed.actor_id
