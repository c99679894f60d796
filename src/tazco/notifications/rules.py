"""What approvers read, in the languages of the policy, and when a message that failed is tried again."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from tazco.notifications.model import Said
from tazco.users.model import Tier

WAITS: Final = (timedelta(seconds=60), timedelta(seconds=120))
"""How long a message waits after its first, second, … failure; after the last of them it is given up."""

WINDOW: Final = timedelta(hours=24)
"""For how long after an approver's last message the provider takes messages of any form."""

NAMED_CHARACTERS_MAX: Final = 254
LAST_FOUR: Final = 4
HIDDEN: Final = "****"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wording:
    """Every text in one language. Gaps are filled with texts that are formatted already."""

    approval: str
    payment: str
    approve: str
    reject: str
    tiers: Mapping[Tier, str]
    replies: Mapping[Said, str]


ENGLISH: Final = Wording(
    approval=(
        "[CARD REQUEST] #{code}\n"
        "Customer: {customer}\n"
        "Tier: {tier}\n"
        "Score: {score}\n"
        "\n"
        "Reply y {code} to approve\n"
        "or n {code} to reject"
    ),
    payment="[PAYMENT RECEIVED]\nCard: {card}\nAmount: {amount}\nTime: {time}\n\nNo action needed.",
    approve="Approve",
    reject="Reject",
    tiers={Tier.HIGH: "high", Tier.MEDIUM: "medium", Tier.LOW: "low"},
    replies={
        Said.APPROVED: "#{code} is approved. Limit: {limit}",
        Said.REJECTED: "#{code} is rejected.",
        Said.ALREADY_DECIDED: "#{code} has already been decided.",
        Said.EXPIRED: "#{code} has expired.",
        Said.NOT_FOUND: "There is no card request #{code}.",
        Said.OWNER_GONE: "#{code} cannot be approved: the customer is gone.",
        Said.OWNER_DISABLED: "#{code} cannot be approved: the customer's account is disabled.",
        Said.HAS_CARD: "#{code} cannot be approved: the customer has a card already.",
    },
)

BRAZILIAN: Final = Wording(
    approval=(
        "[PEDIDO DE CARTÃO] #{code}\n"
        "Cliente: {customer}\n"
        "Nível: {tier}\n"
        "Pontuação: {score}\n"
        "\n"
        "Responda s {code} para aprovar\n"
        "ou n {code} para rejeitar"
    ),
    payment="[PAGAMENTO RECEBIDO]\nCartão: {card}\nValor: {amount}\nHorário: {time}\n\nNenhuma ação necessária.",
    approve="Aprovar",
    reject="Rejeitar",
    tiers={Tier.HIGH: "alto", Tier.MEDIUM: "médio", Tier.LOW: "baixo"},
    replies={
        Said.APPROVED: "#{code} foi aprovado. Limite: {limit}",
        Said.REJECTED: "#{code} foi rejeitado.",
        Said.ALREADY_DECIDED: "#{code} já foi decidido.",
        Said.EXPIRED: "#{code} expirou.",
        Said.NOT_FOUND: "Não existe o pedido de cartão #{code}.",
        Said.OWNER_GONE: "#{code} não pode ser aprovado: o cliente não existe mais.",
        Said.OWNER_DISABLED: "#{code} não pode ser aprovado: a conta do cliente está desativada.",
        Said.HAS_CARD: "#{code} não pode ser aprovado: o cliente já tem um cartão.",
    },
)

WORDINGS: Final[Mapping[str, Wording]] = {"en": ENGLISH, "pt-BR": BRAZILIAN}
"""By `texts/locale`."""


def wait_after(failures_before: int) -> timedelta | None:
    """How long a message waits that has failed once more, after so many failures before; None: it is given up.

    The contract's schedule: 60 s, 120 s, dead letter.
    """
    return WAITS[failures_before] if failures_before < len(WAITS) else None


def last_four(identity: str) -> str:
    """`****89ab`: how a card or a recipient is named without being told in full."""
    return HIDDEN + identity[-LAST_FOUR:]


def on_one_line(text: str) -> str:
    """A text from outside as part of a line: it can start no line of its own, reverse no direction, and is not endless.

    Templates are refused for line breaks too.
    """
    line = " ".join("".join(each if each.isprintable() else " " for each in text).split())
    return line if len(line) <= NAMED_CHARACTERS_MAX else line[: NAMED_CHARACTERS_MAX - 1] + "…"
