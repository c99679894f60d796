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
    derived=lambda step: {"timestampScoreId": f"{to_text(step.timestamp)}#{step.score_id}"},
    wiped_as="scores",
)


def latest_steps_of(ecosystem_id: str) -> RowsOf[ScoreStep]:
    """The last ten steps of a person, newest first."""
    return RowsOf(SCORES, ecosystem_id, Range(newest_first=True, rows_max=HISTORY_ROWS_MAX))
