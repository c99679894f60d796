"""Relays and the worker killed in the middle: every event arrives, each effect once, in order, and nothing stays behind."""

from tests.journeys.fire import DRAINED_SECONDS_MAX, fire
from tests.stage import AnyCloud


async def test_killing_relays_and_the_worker_loses_no_event_and_doubles_no_effect(embedded_cloud: AnyCloud) -> None:
    report = await fire(embedded_cloud, commands=200, kills=6, people=8)
    assert report.kills == 6
    assert report.commands == 200
    assert report.clean, report
    assert report.drained_after_seconds < DRAINED_SECONDS_MAX, report
