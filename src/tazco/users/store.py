"""Where people are, and the questions asked of them."""

from dataclasses import dataclass
from typing import Final

from tazco.kernel.ids import EcosystemId, Subject
from tazco.kernel.record import Versioned
from tazco.platform.database import Database
from tazco.platform.directory import Known
from tazco.platform.idempotency import STORED_ANSWERS
from tazco.platform.tables import EntriesOf, Get, Index, Key, Range, Table
from tazco.users.model import User

BY_SUBJECT: Final = Index(name="UserByFirebaseUid", partition="firebaseUid")
BY_EMAIL: Final = Index(name="UserByEmail", partition="email")

SAME_EMAIL_MAX: Final = 25
"""So many people are found under one e-mail; the identity provider keeps e-mails apart, the tables do not."""

REGISTRATION: Final = "registration"
"""What tells a binding from the stored answers beside it."""

USERS: Final = Table(
    name="users",
    record=User,
    partition="ecosystemId",
    indexes=(BY_SUBJECT, BY_EMAIL),
    spelling={"subject": "firebaseUid"},
    derived=lambda user: {"tier": user.tier.value, "firebaseUid": user.subject or None, "email": user.email or None},
    aggregate="user",
    wiped_as="users",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding(Versioned):
    """Which person a subject is. The index that answers this lags; registering twice in a moment must not make two people.

    It stands among the idempotency records because that is what it is: registration happens once per subject.
    """

    subject: Subject
    kind: str = REGISTRATION
    bound_to: EcosystemId


BINDINGS: Final = Table(
    name=STORED_ANSWERS.name,
    record=Binding,
    partition=STORED_ANSWERS.partition,
    sort=STORED_ANSWERS.sort,
    spelling={"subject": "ecosystemId", "kind": "keyHash"},
    ledger=False,
)


def user(ecosystem_id: str) -> Get[User]:
    """The person with this id."""
    return Get(USERS, (ecosystem_id,))


def binding(subject: Subject) -> Get[Binding]:
    """The person to whom a subject was bound at registration."""
    return Get(BINDINGS, (subject, REGISTRATION))


def named_by_email(email: str) -> EntriesOf:
    """Whom the index names under an e-mail, letter by letter; there may be several."""
    return EntriesOf(USERS, BY_EMAIL, email, Range(rows_max=SAME_EMAIL_MAX))


def named_by_subject(subject: Subject) -> EntriesOf:
    """Whom the index names under a subject; it may not know the newest yet."""
    return EntriesOf(USERS, BY_SUBJECT, subject)


async def people_with_email(database: Database, email: str) -> tuple[User, ...]:
    """The people with an e-mail as it is typed or in small letters; whoever has another one by now is left out."""
    spellings = tuple(dict.fromkeys((email, email.lower())))
    named = await database.read(*map(named_by_email, spellings))
    keys: list[Key] = [(entry["ecosystemId"],) for entries in named for entry in entries]
    return tuple(person for person in await database.rows(USERS, keys) if person.email in spellings)


async def page_of_people(database: Database, after: Key | None, size: int) -> tuple[list[User], Key | None]:
    """The next `size` people in the database's own stable order, and the position from which the list goes on."""
    found: list[User] = []
    async for item in database.scan(USERS, start=USERS.key_item(after) if after else None, page_rows=size + 1):
        found.append(USERS.codec.decode(item))
        if len(found) > size:
            break
    page = found[:size]
    return page, (page[-1].ecosystem_id,) if len(found) > size else None


async def known_by_subject(database: Database, subject: Subject, claimed_ecosystem_id: str | None) -> Known | None:
    """The person behind a subject: by the index, and where it lags by the binding and by the id that registration would give."""
    entries, bound, candidate = await database.read(
        named_by_subject(subject), binding(subject), user(claimed_ecosystem_id or subject)
    )
    ids = ([bound.bound_to] if bound else []) + [entry["ecosystemId"] for entry in entries]
    for ecosystem_id in dict.fromkeys(ids):
        (person,) = (
            (candidate,) if candidate and candidate.ecosystem_id == ecosystem_id else await database.read(user(ecosystem_id))
        )
        if person is not None and person.subject == subject:
            return Known(person.ecosystem_id, person.disabled)
    if candidate is not None and candidate.subject == subject:
        return Known(candidate.ecosystem_id, candidate.disabled)
    return None
