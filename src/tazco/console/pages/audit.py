"""The audit: who did what to whom, found by its target or by who did it, and each deed with before and after."""

from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from starlette.responses import Response

from tazco.audit.model import AuditEntry
from tazco.audit.store import entry, page_about, page_by
from tazco.audit.store import place_of as place_in_audit
from tazco.console.frame.actors import WHATSAPP, actor_told
from tazco.console.frame.api_calls import path_of
from tazco.console.frame.places import place_of
from tazco.console.frame.routing import Pages
from tazco.console.frame.visit import PAGE_ROWS, Visit
from tazco.kernel.errors import Invalid, NotFound
from tazco.platform.jsontext import Malformed, on_lines, parse_object
from tazco.platform.logs import scrubbed
from tazco.users.store import people_with_email

TARGET_TYPES: Final = ("user", "card-request", "card", "event", "policy", "system")
ID_BYTES_MAX: Final = 256

pages = Pages()


class DeedNotFound(NotFound):
    """There is no such entry."""

    def __init__(self) -> None:
        super().__init__("There is no such audit entry. Entries are kept for seven years.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """What is looked for: deeds about a target, else those of an actor. `typed` is how the operator named the actor."""

    target_type: str
    target_id: str
    actor_id: str
    typed: str

    @property
    def binding(self) -> tuple[str, ...]:
        """What ties a cursor to this list."""
        return "audit", self.target_type, self.target_id, self.actor_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One value before and after a deed; None where there was none."""

    name: str
    before: str | None
    after: str | None

    @property
    def changed(self) -> bool:
        """It is not what it was."""
        return self.before != self.after


async def _search(visit: Visit) -> Search:
    """What the address asks for; the deeds of the operator who asks where it asks for nothing."""
    target_type, target_id, typed = visit.given("targetType"), visit.given("targetId"), visit.given("actorId")
    if any(len(given.encode()) > ID_BYTES_MAX for given in (target_type, target_id, typed)):
        raise Invalid(f"An id has at most {ID_BYTES_MAX} bytes.")
    if target_id:
        return Search(target_type=target_type or TARGET_TYPES[0], target_id=target_id, actor_id="", typed="")
    actor_id = await _id_behind(visit, typed) if typed else visit.caller.actor_id
    return Search(target_type="", target_id="", actor_id=actor_id, typed=typed)


async def _id_behind(visit: Visit, typed: str) -> str:
    """The id of the person with an e-mail, if one is typed and known; otherwise what is typed is the id."""
    if "@" not in typed:
        return typed
    people = await people_with_email(visit.database, typed)
    return people[0].ecosystem_id if people else typed


async def _listed(visit: Visit, search: Search) -> tuple[list[AuditEntry], tuple[str, ...] | None]:
    after = visit.position(search.binding)
    if search.target_id:
        return await page_about(visit.database, search.target_type, search.target_id, after, PAGE_ROWS)
    return await page_by(visit.database, search.actor_id, after, PAGE_ROWS)


async def _state(visit: Visit) -> Any:
    deeds, _ = await _listed(visit, await _search(visit))
    return [deed.log_id for deed in deeds]


@pages.get("/audit", watch=_state)
async def show_audit(visit: Visit) -> Response:
    """Deeds about a target or of an actor, the newest first; of oneself unless asked otherwise."""
    search = await _search(visit)
    deeds, position = await _listed(visit, search)
    return visit.page(
        "audit.html",
        deeds=deeds,
        search=search,
        types=TARGET_TYPES,
        own=search.actor_id == visit.caller.actor_id,
        actor=partial(actor_told, visit.policy.approvers),
        place=_place,
        scrubbed=scrubbed,
        following=visit.pages_after(
            search.binding, position, targetType=search.target_type, targetId=search.target_id, actorId=search.typed
        ),
    )


@pages.get("/audit/{targetType}/{targetId}/{place}")
async def show_deed(visit: Visit) -> Response:
    """One deed: what was before and what is after it, who did it, from where and why."""
    target_type, target_id, place = (visit.call.path_id(name) for name in ("targetType", "targetId", "place"))
    (found,) = await visit.database.read(entry(target_type, target_id, place))
    if found is None:
        raise DeedNotFound
    return visit.page(
        "deed.html",
        deed=found,
        changes=changes(found),
        actor=actor_told(visit.policy.approvers, found),
        reason=scrubbed(found.reason),
        types=TARGET_TYPES,
        operator=not found.admin_email.startswith(WHATSAPP),
        target=place_of(found.target_type, found.target_id, found.target_ecosystem_id),
        person=_person(found),
    )


def changes(deed: AuditEntry) -> list[Change]:
    """Every value that a deed names, those that it changed first."""
    before, after = _values(deed.previous_value), _values(deed.new_value)
    found = [Change(name=name, before=before.get(name), after=after.get(name)) for name in {**before, **after}]
    return sorted(found, key=lambda change: not change.changed)


def _values(text: str) -> dict[str, str]:
    try:
        return {name: _told(value) for name, value in parse_object(text.encode()).items()}
    except Malformed:
        return {"": scrubbed(text)}


def _told(value: Any) -> str:
    """A value as people read it, without phone numbers; numbers stay whole: none of them is a phone."""
    if isinstance(value, str):
        return scrubbed(value)
    return scrubbed(on_lines(value)) if isinstance(value, dict | list) else on_lines(value)


def _place(deed: AuditEntry) -> str:
    return path_of("console", "audit", deed.target_type, deed.target_id, place_in_audit(deed))


def _person(deed: AuditEntry) -> str | None:
    """The page of the person whom it concerns."""
    return path_of("console", "people", deed.target_ecosystem_id) if deed.target_type in ("card-request", "card") else None
