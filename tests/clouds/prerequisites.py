"""What has to be on this machine before a cloud can be installed: Java, npm, a Python that LocalStack can read."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

JAVA_MIN: Final = 17
LOCALSTACK_PYTHON: Final = "3.13"
"""The one it was released with: its EventBridge and SQS do not load on 3.12, and its packages of that day do not know 3.14."""
ASKING_SECONDS_MAX: Final = 20
UNAVAILABLE: Final = 69
"""The exit code for a cloud that cannot run here, as sysexits.h has it: no test failed, none ran."""


class MissingPrerequisite(Exception):
    """A cloud cannot run on this machine; the message tells cause and cure."""


def require_java() -> str:
    """Where a Java development kit's `java` is; raise `MissingPrerequisite` without one of `JAVA_MIN` or newer."""
    cure = f"Install a JDK {JAVA_MIN} (Debian and Ubuntu: apt install openjdk-{JAVA_MIN}-jdk-headless) and put it on the PATH."
    java = shutil.which("java")
    if java is None:
        raise MissingPrerequisite(f"DynamoDB Local needs Java, and there is none. {cure}")
    modules = dict(line.partition("@")[::2] for line in _answer(java, "--list-modules").split())
    found = modules.get("java.base", "").partition(".")[0]
    if not found.isdecimal() or int(found) < JAVA_MIN:
        raise MissingPrerequisite(f"DynamoDB Local needs Java {JAVA_MIN}, and {java} is {found or 'older'}. {cure}")
    if "jdk.compiler" not in modules:
        raise MissingPrerequisite(f"{java} has no compiler, which binds DynamoDB Local to the loopback interface. {cure}")
    return java


def require_npm() -> str:
    """Where `npm` is; raise `MissingPrerequisite` without it."""
    npm = shutil.which("npm")
    if npm is None:
        raise MissingPrerequisite("DynamoDB Local comes from the npm registry, and there is no npm. Install Node.js.")
    return npm


def require_localstack_python() -> str:
    """The Python that LocalStack runs on; raise `MissingPrerequisite` without one."""
    for candidate in _pythons():
        if _answer(candidate, "-c", "import sys; print('%d.%d' % sys.version_info[:2])").strip() == LOCALSTACK_PYTHON:
            return candidate
    named = os.environ.get("LOCALSTACK_PYTHON")
    raise MissingPrerequisite(
        f"LocalStack needs Python {LOCALSTACK_PYTHON}, and {f'{named} is not one' if named else 'there is none'}. "
        f"Install it, or name it: LOCALSTACK_PYTHON=/path/to/python{LOCALSTACK_PYTHON}"
    )


def _pythons() -> Iterator[str]:
    named = os.environ.get("LOCALSTACK_PYTHON")
    if named:
        yield named
        return
    yield sys.executable
    found = shutil.which(f"python{LOCALSTACK_PYTHON}")
    if found:
        yield found
    pyenv = Path(os.environ.get("PYENV_ROOT", "~/.pyenv")).expanduser() / "versions"
    yield from (str(path) for path in sorted(pyenv.glob(f"{LOCALSTACK_PYTHON}.*/bin/python"), reverse=True))


def _answer(*command: str) -> str:
    """What it prints; nothing if it cannot run, as the stubs of pyenv and of macOS cannot."""
    try:
        asked = subprocess.run(command, capture_output=True, text=True, check=False, timeout=ASKING_SECONDS_MAX)
    except OSError:
        return ""
    return asked.stdout if asked.returncode == 0 else ""
