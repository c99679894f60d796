"""The command: judge a target, write its results and the page."""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

import pytest

from tazco.platform.aws import TARGETS as SERVICES
from tazco.platform.cloud import Cloud, CloudMisconfigured
from tests.conformance.here import Here
from tests.conformance.page import PAGE, behaviour_files, text_of
from tests.conformance.prices import estimate, total
from tests.conformance.resources import sweep
from tests.conformance.results import Results, read, units_of
from tests.conformance.running import DEFAULT_TARGET, HERE, VERDICT, Verdict, new_prefix
from tests.conformance.targets import PREFIX_VARIABLE, TARGET_VARIABLE, TARGETS
from tests.conformance.versions import version_of

ENDPOINT: Final = "AWS_ENDPOINT_URL"
REFUSED: Final = 2


class Recorder:
    """A plugin of pytest that keeps the verdicts, and the version of the target while it still runs."""

    def __init__(self) -> None:
        self.behaviours: dict[str, str] = {}
        self.units: dict[str, dict[str, float]] = {}
        self.version = ""

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """A behaviour with several cases conforms if all of them do."""
        for name, value in report.user_properties:
            if name == VERDICT:
                assert isinstance(value, tuple)
                test, verdict = value
                if self.behaviours.get(test) != Verdict.DEVIATES.value:
                    self.behaviours[test] = verdict

    def pytest_runtest_teardown(self, item: pytest.Item, nextitem: pytest.Item | None) -> None:
        """After the last test and before the clean-up."""
        here = item.config.stash.get(HERE, None)
        if nextitem is None and here is not None:
            self.version, self.units = version_of(here), units_of(here)


def judge(target: str, arguments: Sequence[str]) -> int:
    """Run the suite where the environment points; write results and page if all of it ran. The exit code of pytest."""
    recorder, began = Recorder(), time.monotonic()
    plugins: list[Any] = [recorder]
    code = int(pytest.main([*map(str, behaviour_files()), "-p", "no:cacheprovider", *arguments], plugins=plugins))
    if not arguments and code in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED) and recorder.behaviours:
        results = Results(
            target=target,
            version=recorder.version,
            date=datetime.now(UTC).date().isoformat(),
            seconds=round(time.monotonic() - began, 1),
            behaviours=recorder.behaviours,
            units=recorder.units,
        )
        say(f"→ {results.write().name}, {PAGE.name}")
        PAGE.write_text(text_of())
    return code


def on_aws(arguments: Sequence[str], *, agreed: bool) -> int:
    """Say what will be made and what it costs, ask, judge, and leave nothing behind whatever happens."""
    prefix = new_prefix()
    cloud = Cloud.from_environment()
    try:
        overridden = [service for service in SERVICES if cloud.endpoint_override(service)]
        region = cloud.region
    except CloudMisconfigured as error:
        say(f"✗ {error}")
        return REFUSED
    if overridden:
        say(f"✗ An endpoint is set for {', '.join(overridden)}: that is not AWS. Unset {ENDPOINT} and {ENDPOINT}_<SERVICE>.")
        return REFUSED
    say(announcement(prefix, region))
    if not agreed and not _confirmed():
        say("✗ Nothing was made. Say yes, or give --yes.")
        return REFUSED
    os.environ.update({TARGET_VARIABLE: "aws", PREFIX_VARIABLE: prefix})
    return cleaned_up(Here.at(TARGETS["aws"], cloud, prefix), lambda: judge("aws", arguments))


def announcement(prefix: str, region: str) -> str:
    """What a run on AWS will make, and what it will cost at most."""
    measured = read(DEFAULT_TARGET)
    assert measured is not None, "the results of the embedded cloud are committed"
    lines = [f"  {line.count:>9,.0f}  {line.what}: ${line.dollars:.4f}" for line in estimate(measured)]
    return "\n".join(
        [
            f"In {region}, everything below the prefix {prefix}: 2 tables on demand (one with point-in-time recovery), 2 user pools",
            "with some people, an event bus with rules, some twenty queues, and parameters. It takes about ten minutes; all is deleted",
            "at the end, also after a failure or Ctrl-C.",
            *lines,
            f"At most about ${total(measured):.2f} at the list prices of us-east-1.",
        ]
    )


def _confirmed() -> bool:
    return sys.stdin.isatty() and input("Go on? [y/N] ").strip().lower() in ("y", "yes")


def cleaned_up(here: Here, work: Any) -> int:
    """Do the work and sweep afterwards, whatever became of it."""
    try:
        return int(work())
    finally:
        left = sweep(here)
        say(f"→ nothing is left below {here.prefix}" + (f" ({len(left)} things deleted at last)" if left else ""))


def say(text: str) -> None:
    """To whoever watches."""
    sys.stderr.write(f"{text}\n")


def main(given: Sequence[str] | None = None) -> int:
    """Parse the command line and do as told."""
    parser = argparse.ArgumentParser(prog="python -m tests.conformance", description=__doc__)
    parser.add_argument("--target", choices=TARGETS, default=os.environ.get(TARGET_VARIABLE, DEFAULT_TARGET))
    parser.add_argument("--yes", action="store_true", help="on AWS: do not ask")
    parser.add_argument("--page", action="store_true", help="only write the page, from the results that are there")
    parser.add_argument("--sweep", metavar="PREFIX", help="only delete what a run that was killed has left below its prefix")
    parser.add_argument("pytest", nargs="*", help="after --: for pytest; then no results are written")
    chosen = parser.parse_args(given)
    if chosen.page:
        PAGE.write_text(text_of())
        return 0
    if chosen.sweep:
        found = sweep(Here.at(TARGETS[chosen.target], Cloud.from_environment(), chosen.sweep))
        say("\n".join(f"deleted {each}" for each in found) or "nothing was left")
        return 0
    if chosen.target == "aws":
        return on_aws(chosen.pytest, agreed=chosen.yes)
    if any(name.startswith(ENDPOINT) for name in os.environ):
        os.environ[TARGET_VARIABLE] = chosen.target
        return judge(chosen.target, chosen.pytest)
    if chosen.target == DEFAULT_TARGET:
        os.environ.pop(TARGET_VARIABLE, None)
        return judge(chosen.target, chosen.pytest)
    again = [
        sys.executable,
        "-m",
        "tests.conformance",
        "--target",
        chosen.target,
        *(["--", *chosen.pytest] if chosen.pytest else []),
    ]
    return subprocess.run([sys.executable, "-m", "tests.clouds", "run", chosen.target, "--", *again], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
