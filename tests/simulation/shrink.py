"""Making a failing run smaller, one dimension after the other, for as long as it still fails in the same way."""

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from tests.simulation.run import Options, Result, simulate

SECONDS_MAX: Final = 120.0


def kind_of(problem: str) -> str:
    """What makes two problems the same one: the invariant, or what was logged."""
    return problem.split(":", 1)[0]


def _smaller(options: Options) -> Iterator[Options]:
    if options.days > 1:
        yield replace(options, days=1)
        yield replace(options, days=options.days - 1)
    if options.steps > 1:
        yield replace(options, steps=options.steps // 2)
        yield replace(options, steps=options.steps - 1)
    if options.people > 1:
        yield replace(options, people=1)
        yield replace(options, people=options.people - 1)
    for name, least in (("sessions", 1), ("workers", 1), ("apis", 1), ("relays", 0)):
        if getattr(options, name) > least:
            yield replace(options, **{name: getattr(options, name) - 1})
    if options.kills:
        yield replace(options, kills=0.0)
    if options.rate:
        yield replace(options, rate=0.0)


def shrunk(failed: Result) -> Result:
    """The smallest run that was found in two minutes and fails in the same way."""
    kinds = {kind_of(problem) for problem in failed.found}
    until, best, changed = time.monotonic() + SECONDS_MAX, failed, True
    while changed and time.monotonic() < until:
        changed = False
        for options in _smaller(best.options):
            result = simulate(options)
            if kinds & {kind_of(problem) for problem in result.found}:
                best, changed = result, True
                break
            if time.monotonic() > until:
                break
    return best
