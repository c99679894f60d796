"""The page of costs says what the commands cost."""

from bench.costs import PAGE, measure, page

from tests.stage import Stage


async def test_the_page_of_costs_is_what_the_measurement_writes(stage: Stage) -> None:
    text = "\n".join(page(await measure(stage))) + "\n"
    assert PAGE.read_text() == text, "run `.venv/bin/python -m bench.costs`"
