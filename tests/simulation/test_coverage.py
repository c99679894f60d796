"""Nothing of the product escapes: a new route, reaction or timer needs a scenario in the sweep, a planted bug its place in the source."""

import json

import pytest

from tests.simulation.page import SCOREBOARD
from tests.simulation.planted.__main__ import SOURCE
from tests.simulation.planted.catalogue import BUGS, Planted
from tests.simulation.scenarios import SCENARIOS, everything


def test_every_route_that_changes_something_every_reaction_and_every_timer_is_swept() -> None:
    covered = {each for scenario in SCENARIOS for each in scenario.covers}
    assert everything() - covered == set(), "add a scenario to tests/simulation/scenarios.py"
    assert covered - everything() == set(), "a scenario covers what is not there any more"


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_a_planted_bug_still_has_its_place(bug: Planted) -> None:
    for edit in bug.edits:
        assert (SOURCE / edit.path).read_text().count(edit.old) == 1, "the source has moved on: renew the edit"


def test_there_are_enough_planted_bugs_each_with_a_name_of_its_own() -> None:
    assert len({bug.name for bug in BUGS}) == len(BUGS) >= 20


def test_the_scoreboard_that_is_committed_has_every_bug_and_each_is_caught() -> None:
    rows = json.loads(SCOREBOARD.read_text())["bugs"]
    assert [row["name"] for row in rows] == [bug.name for bug in BUGS], "run python -m tests.simulation.planted --json …"
    assert [row["name"] for row in rows if not row["by"]] == []
