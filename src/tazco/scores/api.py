"""The operators' view of a score: GET and PATCH /v1/admin/users/{ecosystemId}/score."""

from functools import partial
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, WithJsonSchema
from starlette.responses import Response
from typing_extensions import TypedDict

from tazco.kernel.clock import to_text
from tazco.kernel.errors import Code
from tazco.kernel.ids import EcosystemId
from tazco.platform.http.call import Call, success
from tazco.platform.http.fields import Body, OutTime, Reason, Whole
from tazco.platform.http.routing import ADMIN_KEY_CHARACTERS_MAX, Doc, Routes
from tazco.platform.idempotency import Answer
from tazco.scores.commands import AdjustScore, Scored, adjust_score
from tazco.scores.model import ScoreStep
from tazco.scores.store import latest_steps_of
from tazco.users.model import SCORE_MAX, SCORE_MIN, UserNotFound
from tazco.users.store import user

routes = Routes()


def _score(value: int) -> int:
    if not SCORE_MIN <= value <= SCORE_MAX:
        raise ValueError(f"must be from {SCORE_MIN} to {SCORE_MAX}")
    return value


class ScoreBody(Body):
    """The new score, and why."""

    score: Annotated[Whole, AfterValidator(_score), WithJsonSchema({"type": "integer", "minimum": 0, "maximum": 1000})]
    reason: Reason


class ScoreUserView(TypedDict):
    """Where a person stands."""

    ecosystemId: str
    email: str
    currentScore: int
    tier: Literal["high", "medium", "low"]


class ScoreStepView(TypedDict):
    """One step."""

    value: int
    previousValue: int
    delta: int
    reason: str
    source: Literal["system", "admin"]
    timestamp: OutTime


class ScoreReply(TypedDict):
    """A score and its last ten steps, newest first."""

    user: ScoreUserView
    history: list[ScoreStepView]


def step_view(step: ScoreStep) -> dict[str, Any]:
    """A step as the wire shows it."""
    return {
        "value": step.value,
        "previousValue": step.previous_value,
        "delta": step.delta,
        "reason": step.reason,
        "source": step.source.value,
        "timestamp": to_text(step.timestamp),
    }


def score_view(scored: Scored) -> dict[str, Any]:
    """A score and its history as the wire shows them."""
    person = scored.user
    return {
        "user": {
            "ecosystemId": person.ecosystem_id,
            "email": person.email,
            "currentScore": person.current_score,
            "tier": person.tier.value,
        },
        "history": [step_view(step) for step in scored.history],
    }


GET = Doc(summary="A person's score", tag="Operators: people", replies={200: ScoreReply}, refusals=(Code.NOT_FOUND,), operator=True)


@routes.get("/v1/admin/users/{ecosystemId}/score", GET)
async def get_score(call: Call) -> Response:
    """The score and its last ten steps."""
    await call.operator()
    ecosystem_id = call.path_id("ecosystemId")
    person, history = await call.services.database.read(user(ecosystem_id), latest_steps_of(ecosystem_id))
    if person is None:
        raise UserNotFound
    return call.reply(score_view(Scored(person, history)))


PATCH = Doc(
    summary="Set a person's score",
    tag="Operators: people",
    replies={200: ScoreReply},
    refusals=(Code.NOT_FOUND,),
    body=ScoreBody,
    example={"score": 720, "reason": "Income verified"},
    key_characters_max=ADMIN_KEY_CHARACTERS_MAX,
    operator=True,
)


@routes.patch("/v1/admin/users/{ecosystemId}/score", PATCH)
async def patch_score(call: Call) -> Response:
    """Set the score; the step, the deed and the event are one commit."""
    caller = await call.operator()
    key = call.key()
    body = await call.body(ScoreBody)
    command = AdjustScore(ecosystem_id=EcosystemId(call.path_id("ecosystemId")), score=body.score, reason=body.reason)
    return await call.once(
        caller,
        key,
        operation=f"adjust-score/{command.ecosystem_id}",
        asked=body.model_dump(),
        lane=f"user#{command.ecosystem_id}",
        use_case=partial(adjust_score, command),
        render=_rendered,
    )


def _rendered(scored: Scored) -> Answer:
    return success(score_view(scored))
