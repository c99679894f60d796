"""An office in which something has happened: people, cards, decisions, payments, messages, a dead letter; and texts of the hostile kind."""

from dataclasses import dataclass

from tazco.audit.store import entries_about, place_of
from tazco.console.frame.api_calls import path_of
from tests.console.office import Office
from tests.contract.test_admin_events import seed_dead_letter
from tests.world import Person

HOSTILE = '<script>alert(1)</script>=HYPERLINK("http://x")\u202eevil'


@dataclass(frozen=True, slots=True, kw_only=True)
class LivedIn:
    """Ids that stand for path parameters."""

    person: Person
    card_id: str
    request_id: str
    decided_id: str
    deed: str

    def addresses(self, path: str) -> list[str]:
        """The addresses to look at for a path with parameters."""
        found = [path]
        if "{requestId}" in path:
            found = [path.replace("{requestId}", each) for each in (self.request_id, self.decided_id)]
        if path == "/console/timeline":
            found += [f"{path}?kind=request&id={self.decided_id}", f"{path}?kind=person&id={self.person.ecosystem_id}"]
        if path == "/console/events":
            found += [f"{path}?status=dead_letter"]
        if path == "/console/notifications":
            found += [f"{path}?type=cardRequest&id={self.request_id}"]
        if path == "/console/audit":
            found += [f"{path}?targetType=card-request&targetId={self.decided_id}"]
        if path == "/console/people":
            found += [f"{path}?q={self.person.email}", f"{path}?q=nobody"]
        if path == "/console/cards/{ecosystemId}/{cardId}":
            found += [f"{path}?show=declined"]
        if "{place}" in path:
            found = [self.deed]
        values = {"{ecosystemId}": self.person.ecosystem_id, "{cardId}": self.card_id, "{name}": "whatsapp%2Fapprovers"}
        for name, value in values.items():
            found = [each.replace(name, value) for each in found]
        return found


async def live(office: Office) -> LivedIn:
    """Let something happen."""
    world = office.world
    person, card_id = await world.cardholder(760)
    await person.buy(card_id, 250.5)
    await person.buy(card_id, 99_999)
    await person.pay(card_id, 100.25)
    waiting = await world.person(430)
    asked = await waiting.ask_for_card(HOSTILE[:64])
    other = await world.person(620)
    decided = (await other.ask_for_card()).body["request"]["requestId"]
    operator = await world.operator()
    await operator.post(f"/v1/admin/card-requests/{decided}/reject", {"reason": HOSTILE})
    (deed,) = await world.services.database.read(entries_about("card-request", decided, before=None, rows_max=1))
    await seed_dead_letter(world)
    return LivedIn(
        person=person,
        card_id=card_id,
        request_id=asked.body["request"]["requestId"],
        decided_id=decided,
        deed=path_of("console", "audit", "card-request", decided, place_of(deed[0])),
    )
