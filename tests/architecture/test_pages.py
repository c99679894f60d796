"""Pages made from declarations say what the declarations say."""

import pytest
from bench.cost_page import CHART, drawn

from tests.architecture.pages import DOCS, PAGES, text_of


@pytest.mark.parametrize("name", PAGES)
def test_a_generated_page_has_not_drifted(name: str) -> None:
    assert (DOCS / name).read_text() == text_of(name), "run `make fix`"


def test_the_chart_of_the_costs_has_not_drifted() -> None:
    assert CHART.read_text() == drawn(), "run `make costs`"
