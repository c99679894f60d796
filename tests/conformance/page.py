"""`docs/conformance.md`, from the declarations and the results. `python -m tests.conformance --page` writes it; a test compares."""

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tests.conformance.behaviours import BEHAVIOURS, Behaviour, Service
from tests.conformance.prices import total
from tests.conformance.results import FOLDER, Results, read
from tests.conformance.running import Verdict
from tests.conformance.targets import TARGETS, Target

PAGE: Final = Path(__file__).parents[2] / "docs" / "conformance.md"
NOTE: Final = "<!-- Generated from the declarations and results in tests/conformance: `make conformance` writes it, a test compares. Do not edit. -->"
MODULES: Final = (
    "test_dynamodb_writes",
    "test_dynamodb_transactions",
    "test_dynamodb_reads",
    "test_dynamodb_capacity",
    "test_dynamodb_tables",
    "test_cognito",
    "test_eventbridge",
    "test_sqs",
    "test_ssm",
)
"""Where behaviours are declared, in the order in which the page shows them."""

MARKS: Final = {Verdict.CONFORMS: "✔", Verdict.DEVIATES: "✘"}
NOT_SERVED, NOT_RUN = "–", "?"  # noqa: RUF001 - a dash as people write it


def behaviour_files() -> list[Path]:
    """The files whose tests are behaviours."""
    return [Path(__file__).with_name(f"{module}.py") for module in MODULES]


def declared() -> list[Behaviour]:
    """Every behaviour, in the order of the page."""
    for module in MODULES:
        importlib.import_module(f"tests.conformance.{module}")
    return sorted(BEHAVIOURS.values(), key=lambda each: MODULES.index(each.module))


def text_of(folder: Path = FOLDER) -> str:
    """The page as it should be."""
    results = {name: read(name, folder) for name in TARGETS}
    return "\n".join([*_head(results), *_tables(results), *_deviations(results)]) + "\n"


def _head(results: dict[str, Results | None]) -> Iterator[str]:
    yield "# Conformance"
    yield NOTE
    yield "\nWhat Tazco relies on from each of the five services, as AWS documents it, and who does it. Each line is one test in"
    yield "`tests/conformance`; its link leads to the page that says so.\n"
    yield "| target | version | run on | conforms | deviates | took |\n|---|---|---|--:|--:|--:|"
    for name, target in TARGETS.items():
        found = results[name]
        if found is None:
            yield f"| {target.title} | | **not run** | | | |"
            continue
        counts = [list(found.behaviours.values()).count(verdict.value) for verdict in Verdict]
        yield f"| {target.title} | {found.version} | {found.date} | {counts[0]} | {counts[1]} | {found.seconds:.0f} s |"
    yield f"\n✔ as documented · ✘ otherwise, see below · {NOT_SERVED} not served by this target itself · {NOT_RUN} not run\n"
    yield "```sh\nmake conformance                              # the embedded cloud; also a part of make test"
    yield "make conformance TARGET=dynamodb-local        # needs Java"
    yield "make conformance TARGET=localstack            # 4.14.0, the last free release: EventBridge, SQS and SSM"
    yield "AWS_PROFILE=… make conformance TARGET=aws     # says what it will make and cost, asks, and cleans up\n```\n"
    ministack = results["ministack"]
    if results["aws"] is None and ministack is not None:
        yield "Nobody has run it on AWS yet: the column of AWS is what its documentation says and no measurement. A run there costs at"
        yield f"most about ${total(ministack):.2f}, from the units that the run on MiniStack used up."


def _tables(results: dict[str, Results | None]) -> Iterator[str]:
    behaviours = declared()
    for service in Service:
        yield f"\n## {service.label}\n"
        yield f"| behaviour | {' | '.join(target.title for target in TARGETS.values())} |"
        yield f"|---|{':-:|' * len(TARGETS)}"
        for each in behaviours:
            if each.service is service:
                marks = " | ".join(_mark(each, target, results[target.name]) for target in TARGETS.values())
                yield f"| {each.text} ([AWS]({each.source})) | {marks} |"


def _mark(behaviour: Behaviour, target: Target, results: Results | None) -> str:
    if behaviour.service not in target.services:
        return NOT_SERVED
    verdict = results.verdict(behaviour.name) if results else None
    return MARKS[verdict] if verdict else NOT_RUN


def _deviations(results: dict[str, Results | None]) -> Iterator[str]:
    texts = {each.name: each for each in declared()}
    for name, target in TARGETS.items():
        found = results[name]
        wrong = [each for each in texts.values() if found and found.verdict(each.name) is Verdict.DEVIATES]
        if not wrong:
            continue
        yield f"\n## What {target.title} does otherwise\n"
        yield "| behaviour | instead | how we make up for it |\n|---|---|---|"
        for each in wrong:
            known = target.deviations.get(each.name)
            told = (known.instead, known.compensated) if known else ("**not explained yet**", "")
            yield f"| {each.service.label}: {each.text} | {told[0]} | {told[1]} |"
