"""What Meta's error codes mean to us, whether they come as an answer or later with a status."""

from typing import Final

from tazco.platform.whatsapp.messages import Verdict

OUTSIDE_THE_WINDOW: Final = 131047
UNDELIVERABLE: Final = frozenset((131021, 131026, 131030, 131049, 131050, 131062))
OURS: Final = frozenset(
    (0, 3, 10, 100, 190, *range(200, 300), 368, 131008, 131009, 131031, 131042, 131045, 131051, *range(132000, 133000))
)
"""Token, permission, account, payment or template: an operator of ours has to mend it."""


def verdict_of(code: int | None) -> Verdict:
    """What is to be done about an error code; None where there is none, as after a time-out or an answer that is no JSON.

    The HTTP status does not matter: Meta sends some lasting errors with a 500 (3, 131045), and what has no known code is tried again.
    """
    if code == OUTSIDE_THE_WINDOW:
        return Verdict.AS_TEMPLATE
    if code in UNDELIVERABLE:
        return Verdict.GIVE_UP
    if code in OURS:
        return Verdict.ALARM
    return Verdict.RETRY  # overload and rate limits (4, 80007, 130429, 131048, 131056, …), and all that we have never heard of
