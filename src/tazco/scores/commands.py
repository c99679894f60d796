"""Moving a score: by a payment, or by an operator."""

from dataclasses import dataclass

from tazco.audit.commands import record_deed
from tazco.audit.model import Action, Target
from tazco.kernel.ids import EcosystemId, TransactionId
from tazco.platform.work import Work
from tazco.scores.events import ScoreChanged
from tazco.scores.model import ScoreSource, ScoreStep
from tazco.scores.rules import clamped
from tazco.scores.store import SCORES, latest_steps_of
from tazco.users.model import User, UserNotFound
from tazco.users.store import USERS, user


@dataclass(frozen=True, slots=True)
class Scored:
    """A person and the last steps of the score, newest first."""

    user: User
    history: tuple[ScoreStep, ...]


def move_score(
    work: Work, person: User, score: int, reason: str, source: ScoreSource, *, because_of: TransactionId | None = None
) -> ScoreStep:
    """Put the step of a score into the commit: the person's row, the history, the event."""
    new_score = clamped(score)
    moved = person.with_score(new_score, work.now)
    step = ScoreStep(
        ecosystem_id=person.ecosystem_id,
        score_id=work.new_id(),
        value=new_score,
        previous_value=person.current_score,
        delta=new_score - person.current_score,
        reason=reason,
        source=source,
        timestamp=work.now,
    )
    event = ScoreChanged(
        ecosystem_id=person.ecosystem_id,
        previous_score=person.current_score,
        new_score=new_score,
        delta=step.delta,
        previous_tier=person.tier,
        new_tier=moved.tier,
        reason=reason,
        source=source,
        admin_id=work.origin.caller.public_id if source is ScoreSource.ADMIN else None,
        related_entity_type="transaction" if because_of else None,
        related_entity_id=because_of,
    )
    work.change(USERS, person, moved, event)
    work.add(SCORES, step)
    return step


@dataclass(frozen=True, slots=True, kw_only=True)
class AdjustScore:
    """An operator sets a score."""

    ecosystem_id: EcosystemId
    score: int
    reason: str


async def adjust_score(command: AdjustScore, work: Work) -> Scored:
    """Set the score; the same value again is a step, a deed and an event too."""
    person, history = await work.read(user(command.ecosystem_id), latest_steps_of(command.ecosystem_id))
    if person is None:
        raise UserNotFound
    step = move_score(work, person, command.score, command.reason, ScoreSource.ADMIN)
    moved = person.with_score(step.value, work.now)
    record_deed(
        work,
        Action.SCORE_ADJUSTED,
        Target(type="user", id=person.ecosystem_id, ecosystem_id=person.ecosystem_id),
        previous={"score": person.current_score, "tier": person.tier.value},
        new={"score": moved.current_score, "tier": moved.tier.value},
        reason=command.reason,
    )
    return Scored(moved, (step, *history)[:10])
