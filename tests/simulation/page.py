"""The page on reliability, made from the figures of the run that is committed beside it."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

HERE: Final = Path(__file__).parent
RESULT: Final = HERE / "result.json"
SCOREBOARD: Final = HERE / "planted" / "result.json"

INVARIANTS: Final = (
    ("I1", "what was acknowledged is stored, and nothing else is"),
    ("I2", "one key has one effect and one answer, however often and to however many processes it is sent"),
    ("I3", "a balance is the sum of its ledger, 0 ≤ balance ≤ limit; points, minimum payments and due dates follow the rules"),
    ("I4", "each change has exactly one event; events of an aggregate are numbered 1, 2, 3 … and leave in that order"),
    ("I5", "an event acts once: one notification for each approver, counted once; one open card and request a person"),
    ("I6", "a request is decided at most once, and as it was told"),
    ("I7", "each deed of an operator or approver has one audit entry, and each entry a deed"),
    ("I8", "a version moves by one, a final state stays"),
    ("I9", "when faults end, everything drains within an hour of virtual time; nobody publishes after its lease"),
    ("I10", "what was given up, in the outbox or in a dead-letter queue, can be redriven and then acts once"),
    ("I11", "no token, secret or phone number is in the log"),
)


def reliability() -> Iterator[str]:
    """What is tested, how far, and what is not."""
    result, planted = json.loads(RESULT.read_text()), json.loads(SCOREBOARD.read_text())
    yield "# Reliability"
    yield "<!-- Generated from tests/simulation/result.json and planted/result.json: `make fix` writes it, a test compares. Do not edit. -->"
    sweep, seeds = result["sweep"], result["simulation"]
    yield "\nEverything below runs on a laptop, without Docker and without AWS: `make sim`. The figures are those of the runs that are"
    yield f"committed: the sweep of source `{sweep['commit']}`, the seeds of `{seeds['commit']}`, for {seeds['seconds'] / 60:.0f} minutes on two shared"
    yield f"cores, Python {seeds['python']}.\n"
    yield from _headline(result, planted)
    yield "\n## What must always hold\n"
    yield "| | |\n|---|---|"
    yield from (f"| {name} | {meaning} |" for name, meaning in INVARIANTS)
    yield "\nThey are judged from the tables, past the program and with arithmetic of their own (`tests/simulation/invariants.py`), against what"
    yield "the clients of the run were told."
    yield from _sweep(sweep)
    yield from _simulation(seeds)
    yield from _planted(planted)
    yield from _limits()


def _headline(result: Mapping[str, Any], planted: Mapping[str, Any]) -> Iterator[str]:
    sweep, seeds = result["sweep"], result["simulation"]
    yield "| | |\n|---|--:|"
    yield f"| single faults, of all that can strike a call of a command | {sweep['cases']:,} of {sweep['of']:,} |"
    yield f"| seeds | {seeds['seeds']:,} |"
    yield f"| commands of clients | {seeds['commands']:,} |"
    yield f"| calls to AWS | {seeds['calls']:,} |"
    yield f"| faults in them | {seeds['faults']:,} |"
    yield f"| processes killed, stopped for a while | {seeds['kills']:,}, {seeds['pauses']:,} |"
    yield f"| lost, doubled, stuck, overdrawn | {seeds['lost']}, {seeds['doubled']}, {seeds['stuck']}, {seeds['overdrawn']} |"
    yield f"| rare states reached | {len(seeds['rare']) - len(seeds['never'])} of {len(seeds['rare'])} |"
    yield f"| planted bugs caught | {planted['caught']} of {planted['planted']} |"


def _sweep(sweep: Mapping[str, Any]) -> Iterator[str]:
    yield "\n## One fault at a time\n"
    yield "Each route that changes something, each step of the relay, each reaction and each timer is done once and its calls to AWS are recorded."
    yield "Then it is done again from the same moment for every call and every fault that can strike it; the client repeats with the same key, the"
    yield f"rest drains, and everything is judged: {sweep['scenarios']} scenarios, {sweep['calls']} calls. A route without a scenario fails the build.\n"
    yield "| fault | cases |\n|---|--:|"
    yield from (f"| {name} | {count:,} |" for name, count in sweep["faults"].items())


def _simulation(seeds: Mapping[str, Any]) -> Iterator[str]:
    yield "\n## Many at once\n"
    yield "The whole programme in one process and one thread: API processes, relays and workers as they are, the emulator's own service code"
    yield "behind them, virtual time, clocks that differ by up to 0.8 s, an order of steps that only the seed decides. Cardholders with two devices,"
    yield "operators, approvers and a provider act; calls fail, events come twice, late and out of order, batches are taken in part, indexes lag,"
    yield "processes are killed between any two steps or stopped for seconds, days pass, TTL deletes some of what is over. A failing seed prints"
    yield "the one command that replays it, made as small as it could be found.\n"
    yield "| fault | times |\n|---|--:|"
    yield from (f"| {name} | {count:,} |" for name, count in seeds["faults_by_kind"].items())
    yield "\nStates that are rare and dangerous; a long run in which one is missing fails.\n"
    yield "| state | times |\n|---|--:|"
    yield from (f"| {name} | {count:,} |" for name, count in seeds["rare"].items())


def _planted(planted: Mapping[str, Any]) -> Iterator[str]:
    yield "\n## Would it notice?\n"
    yield "`python -m tests.simulation.planted` breaks one rule at a time in a copy of the source and waits until something catches it.\n"
    yield "| planted bug | rule | caught by | seconds |\n|---|---|---|--:|"
    yield from (
        f"| {bug['name']} | {bug['rule']} | {bug['by'] or '**nobody**'} | {bug['seconds']:.0f} |" for bug in planted["bugs"]
    )


def _limits() -> Iterator[str]:
    yield "\n## What this does not test\n"
    yield "* AWS itself. The services are MiniStack's; where it is simpler than AWS (no conflicts between transactions, no throttling, indexes that"
    yield "  never lag), the simulation makes the difference up as AWS documents it."
    yield "* The wire: sockets, TLS and signatures are below the seam. `tests/platform` and the journeys with real processes and `kill -9` test them."
    yield "* IAM, limits of an account, the loss of a region, a table restored to an earlier time."
    yield "* WhatsApp: on the wire a message may go out twice when an answer is lost; its notification exists once."
    yield "* Editing the policy: what becomes of it when something breaks is in `tests/tuning/test_faults.py`."
    yield "* Clocks that are wrong by more than a second."
