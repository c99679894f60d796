"""Where a thing has its page, by the names that events and the audit give it."""

from tazco.console.frame.api_calls import path_of


def place_of(kind: str, thing_id: str, ecosystem_id: str) -> str | None:
    """The page of a person, card, card request or parameter; None for what has none."""
    match kind:
        case "user":
            return path_of("console", "people", thing_id)
        case "card":
            return path_of("console", "cards", ecosystem_id, thing_id)
        case "cardRequest" | "card-request":
            return path_of("console", "requests", thing_id)
        case "policy":
            return path_of("console", "policy", thing_id)
        case _:
            return None
