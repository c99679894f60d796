"""Where cards are, and the questions asked of them."""

from typing import Final

from tazco.cards.model import Card
from tazco.platform.tables import EntriesOf, Get, Index, RowsOf, Table

BY_STATUS: Final = Index(name="CardsByStatus", partition="ecosystemId", sort="status")
BY_ID: Final = Index(name="CardById", partition="cardId")

CARDS: Final = Table(
    name="cards",
    record=Card,
    partition="ecosystemId",
    sort="cardId",
    indexes=(BY_STATUS, BY_ID),
    spelling={"next_due_at": "nextDueDate"},
    derived=lambda card: {"availableCredit": card.available_credit},
    aggregate="card",
    wiped_as="cards",
)


def card(ecosystem_id: str, card_id: str) -> Get[Card]:
    """A person's card."""
    return Get(CARDS, (ecosystem_id, card_id))


def named_by_card_id(card_id: str) -> EntriesOf:
    """Whose card this is, by the index; one granted this instant may not be there yet."""
    return EntriesOf(CARDS, BY_ID, card_id)


def cards_of(ecosystem_id: str) -> RowsOf[Card]:
    """All cards a person has or had."""
    return RowsOf(CARDS, ecosystem_id)


def newest_first(cards: tuple[Card, ...]) -> list[Card]:
    """Cards by creation, the newest first; ids break ties."""
    return sorted(cards, key=lambda card: (card.created_at, card.card_id), reverse=True)
