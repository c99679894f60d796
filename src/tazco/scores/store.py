"""Where score histories are, and the question asked of them."""

from typing import Final

from tazco.kernel.clock import to_text
from tazco.platform.tables import Range, RowsOf, Table
from tazco.scores.model import ScoreStep

HISTORY_ROWS_MAX: Final = 10

SCORES: Final = Table(
    name="scores",
    record=ScoreStep,
    partition="ecosystemId",
    sort="timestampScoreId",
    derived=lambda step: {"timestampScoreId": place_of(step)},
    wiped_as="scores",
)


def place_of(step: ScoreStep) -> str:
    """Where a step stands among those of its person: by time, then by id."""
    return f"{to_text(step.timestamp)}#{step.score_id}"


def steps_of(ecosystem_id: str, *, before: str | None, rows_max: int) -> RowsOf[ScoreStep]:
    """The newest steps of a person, the one at `before` included."""
    return RowsOf(SCORES, ecosystem_id, Range(at_most=before, newest_first=True, rows_max=rows_max))


def latest_steps_of(ecosystem_id: str) -> RowsOf[ScoreStep]:
    """The last ten steps of a person, newest first."""
    return RowsOf(SCORES, ecosystem_id, Range(newest_first=True, rows_max=HISTORY_ROWS_MAX))
