"""The table of Meta's error codes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tazco.platform.whatsapp.messages import Verdict
from tazco.platform.whatsapp.verdicts import verdict_of

TABLE = {
    Verdict.AS_TEMPLATE: (131047,),
    Verdict.RETRY: (4, 80007, 130429, 131000, 131016, 131048, 131056, 131057, 135000, 1, 2, 131999, -1, 10**30, None),
    Verdict.GIVE_UP: (131021, 131026, 131030, 131049, 131050, 131062),
    Verdict.ALARM: (
        *(0, 3, 10, 100, 190, 200, 250, 299, 368, 131008, 131009, 131031, 131042, 131045, 131051),
        *(132000, 132001, 132015, 132999),
    ),
}


@pytest.mark.parametrize(("verdict", "code"), [(verdict, code) for verdict, codes in TABLE.items() for code in codes])
def test_each_code_has_its_verdict(verdict: Verdict, code: int | None) -> None:
    assert verdict_of(code) is verdict


@pytest.mark.parametrize("code", [199, 300, 131999, 133000])
def test_the_ranges_end_where_they_end(code: int) -> None:
    assert verdict_of(code) is Verdict.RETRY


@given(st.integers())
def test_a_code_that_the_table_does_not_name_is_tried_again(code: int) -> None:
    named = {code for codes in TABLE.values() for code in codes} | set(range(200, 300)) | set(range(132000, 133000))
    assert code in named or verdict_of(code) is Verdict.RETRY
