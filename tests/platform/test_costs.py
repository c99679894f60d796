"""The page of costs says what the commands cost, and so does its chart."""

from bench.costs import CHART, PAGE, measure, page, picture

from tests.stage import Stage


async def test_page_and_chart_of_costs_are_what_the_measurement_writes(stage: Stage) -> None:
    found = await measure(stage)
    assert PAGE.read_text() == "\n".join(page(found)) + "\n", "run `.venv/bin/python -m bench.costs`"
    assert CHART.read_text() == picture(found), "run `.venv/bin/python -m bench.costs`"
