"""The single-fault sweep: every command, every call to AWS that it makes, every fault that can strike the call, one at a time."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from tazco.platform.aws import Call
from tests.platform.faults import COMMIT
from tests.simulation.bench import Bench, Kept, Plan, on_bench
from tests.simulation.cloud import EPOCH
from tests.simulation.faults import Fault, faults_of
from tests.simulation.scenarios import SCENARIOS, Scenario

BEGINNING: Final = datetime.fromtimestamp(EPOCH - 1, UTC)


@dataclass(frozen=True, slots=True)
class Case:
    """One point of the product."""

    scenario: str
    at: int
    operation: str
    fault: Fault

    def __str__(self) -> str:
        return f"{self.scenario}, call {self.at} ({self.operation}), {self.fault}"


@dataclass(slots=True)
class Swept:
    """What came of a sweep."""

    scenarios: int = 0
    calls: int = 0
    cases: int = 0
    of: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    found: list[str] = field(default_factory=list)
    seconds: float = 0.0


def prepared(scenario: Scenario) -> Kept:
    """The moment before the operation."""

    async def work(bench: Bench) -> Kept:
        bench.begin(None)
        for step in scenario.prepare:
            await step(bench)
        return bench.keep()

    bench, kept = on_bench(Plan(), work)
    assert not bench.found, f"{scenario.name} cannot be prepared: {bench.found}"
    assert isinstance(kept, Kept)
    return kept


def varied(scenario: Scenario, kept: Kept, plan: Plan) -> Bench:
    """The operation once, from that moment, under a plan; judged at the end."""

    async def work(bench: Bench) -> None:
        bench.begin(kept)
        bench.rival = scenario.rival
        plan.recording = True
        await scenario.act(bench)
        plan.recording = False
        await bench.drained()
        if scenario.empties:
            bench.books.gather()
            bench.found += [f"I1: {who} is lost" for who in ("operator", "ada") if not bench.books.cloud.row("sim-users", (who,))]
        else:
            bench.judge(BEGINNING)

    bench, _ = on_bench(plan, work)
    return bench


def recorded(scenario: Scenario, kept: Kept) -> list[Call]:
    """The calls of the operation when all goes well."""
    plan = Plan()
    bench = varied(scenario, kept, plan)
    assert not bench.found, f"{scenario.name} fails without any fault: {bench.found}"
    return plan.calls


def cases_of(scenario: Scenario, calls: list[Call]) -> Iterator[Case]:
    """Every fault at every call."""
    for at, call in enumerate(calls):
        for fault in faults_of(call):
            yield Case(scenario.name, at, call.operation, fault)
        if call.operation == COMMIT and scenario.rival:
            yield Case(scenario.name, at, call.operation, Fault.RIVAL)


def struck(scenario: Scenario, kept: Kept, case: Case) -> list[str]:
    """What is wrong after this case; empty when all is well."""
    plan = Plan(case.at, case.fault)
    bench = varied(scenario, kept, plan)
    missed = [] if plan.struck else ["the call was not reached again: the operation is not deterministic"]
    return [f"{case}: {problem}" for problem in (*missed, *bench.found)]


def sweep(
    *,
    chosen: Callable[[int], bool] = lambda _: True,
    only: str = "",
    tell: Callable[[str], None] = lambda _: None,
    stop_at_first: bool = False,
) -> Swept:
    """The whole product, or the cases whose number is `chosen`."""
    began, swept, number = time.monotonic(), Swept(), 0
    for scenario in SCENARIOS:
        if only and only not in scenario.name:
            continue
        kept = prepared(scenario)
        calls = recorded(scenario, kept)
        cases = list(cases_of(scenario, calls))
        swept.scenarios, swept.calls, swept.of = swept.scenarios + 1, swept.calls + len(calls), swept.of + len(cases)
        for case in cases:
            number += 1
            if not chosen(number):
                continue
            swept.cases += 1
            swept.faults[case.fault.value] += 1
            swept.found += struck(scenario, kept, case)
            if swept.found and stop_at_first:
                return swept
        tell(f"{scenario.name}: {len(calls)} calls, {len(cases)} cases, {len(swept.found)} problems")
    swept.seconds = time.monotonic() - began
    return swept


def as_json(swept: Swept) -> dict[str, Any]:
    """For the record."""
    return {
        "scenarios": swept.scenarios,
        "calls": swept.calls,
        "cases": swept.cases,
        "of": swept.of,
        "faults": dict(sorted(swept.faults.items())),
        "problems": len(swept.found),
    }
