"""Registering, signing in, disabling and enabling."""

from dataclasses import dataclass

from tazco.audit.commands import record_deed
from tazco.audit.model import Action, Target
from tazco.kernel.errors import Invalid
from tazco.kernel.ids import EcosystemId, Subject
from tazco.platform.tables import Entry
from tazco.platform.work import Work
from tazco.users.events import UserCreated
from tazco.users.model import SCORE_AT_START, IdTaken, OwnAccount, Role, User, UserNotFound, UserStatus
from tazco.users.store import BINDINGS, USERS, Binding, binding, named_by_subject, user


@dataclass(frozen=True, slots=True, kw_only=True)
class Register:
    """Somebody with a good token signs in, for the first time or again."""

    subject: Subject
    claimed_ecosystem_id: str | None
    token_email: str | None
    body_email: str | None
    role: Role


@dataclass(frozen=True, slots=True)
class Registered:
    """The person, and whether this call created the record."""

    user: User
    created: bool


async def register(command: Register, work: Work) -> Registered:
    """Create the person of a subject, once; for a known one note the sign-in."""
    candidate = EcosystemId(command.claimed_ecosystem_id or command.subject)
    entries, bound, found = await work.read(named_by_subject(command.subject), binding(command.subject), user(candidate))
    known = await _known(command, [bound.bound_to] if bound else [], entries, found, work)
    if known is not None:
        signed_in = known.signed_in(role=command.role, email=command.token_email, now=work.now)
        work.change(USERS, known, signed_in)
        return Registered(signed_in, created=False)
    if found is not None:
        raise IdTaken
    return Registered(_create(command, candidate, bound, work), created=True)


async def _known(
    command: Register, bound_to: list[EcosystemId], entries: tuple[Entry, ...], candidate: User | None, work: Work
) -> User | None:
    """The person of the subject: by the binding, which is consistent, then by the index, which may name one who is gone."""
    for ecosystem_id in dict.fromkeys((*bound_to, *(EcosystemId(entry["ecosystemId"]) for entry in entries))):
        person = candidate
        if candidate is None or candidate.ecosystem_id != ecosystem_id:
            (person,) = await work.read(user(ecosystem_id))
        if person is not None and person.subject == command.subject:
            return person
    return candidate if candidate is not None and candidate.subject == command.subject else None


def _create(command: Register, ecosystem_id: EcosystemId, bound: Binding | None, work: Work) -> User:
    created = User(
        ecosystem_id=ecosystem_id,
        subject=command.subject,
        email=_email(command),
        role=command.role,
        current_score=SCORE_AT_START,
        created_at=work.now,
        updated_at=work.now,
        last_login_at=work.now,
    )
    event = UserCreated(
        ecosystem_id=ecosystem_id,
        subject=created.subject,
        email=created.email,
        role=created.role,
        initial_score=created.current_score,
        tier=created.tier,
    )
    work.not_during_cleanup()
    work.add(USERS, created, event)
    fresh = Binding(subject=command.subject, bound_to=ecosystem_id)
    if bound is None:
        work.add(BINDINGS, fresh)
    else:
        work.change(BINDINGS, bound, fresh)
    return created


def _email(command: Register) -> str:
    if command.token_email and command.body_email and command.token_email != command.body_email:
        raise Invalid("email differs from the verified e-mail of the token. Leave it out.", field="email")
    email = command.token_email or command.body_email
    if not email:
        raise Invalid("email is required: the token carries none, so send it in the body.", field="email")
    return email


@dataclass(frozen=True, slots=True, kw_only=True)
class SetUserStatus:
    """An operator disables or enables a person."""

    ecosystem_id: EcosystemId
    status: UserStatus
    reason: str


async def set_user_status(command: SetUserStatus, work: Work) -> User:
    """Disable or enable a person; a state that is already there changes nothing and is no deed."""
    (person,) = await work.read(user(command.ecosystem_id))
    if person is None:
        raise UserNotFound
    if person.ecosystem_id == work.origin.caller.ecosystem_id:
        raise OwnAccount
    if person.status is command.status:
        return person
    changed = person.with_status(command.status, work.now)
    work.change(USERS, person, changed)
    record_deed(
        work,
        Action.USER_DISABLED if changed.disabled else Action.USER_ENABLED,
        Target(type="user", id=person.ecosystem_id, ecosystem_id=person.ecosystem_id),
        previous={"status": person.status.value},
        new={"status": changed.status.value},
        reason=command.reason,
    )
    return changed
