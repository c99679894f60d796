"""Pages made from declarations say what the declarations say."""

import pytest

from tests.architecture.pages import DOCS, PAGES, text_of


@pytest.mark.parametrize("name", PAGES)
def test_a_generated_page_has_not_drifted(name: str) -> None:
    assert (DOCS / name).read_text() == text_of(name), "run `make fix`"
