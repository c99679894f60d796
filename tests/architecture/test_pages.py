"""Pages made from declarations say what the declarations say."""

import pytest
from bench.cost_page import CHART, drawn

from tazco.deployment.stacks import Stack
from tests.architecture.pages import DOCS, PAGES, TEMPLATES, template_of, text_of


@pytest.mark.parametrize("name", PAGES)
def test_a_generated_page_has_not_drifted(name: str) -> None:
    assert (DOCS / name).read_text() == text_of(name), "run `make fix`"


def test_the_chart_of_the_costs_has_not_drifted() -> None:
    assert CHART.read_text() == drawn(), "run `make costs`"


@pytest.mark.parametrize("stack", Stack)
def test_a_template_has_not_drifted(stack: Stack) -> None:
    assert (TEMPLATES / f"{stack}.json").read_text() == template_of(stack), "run `make fix`"
