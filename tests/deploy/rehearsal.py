"""Rehearses the containers on a Linux machine that has root and no engine: `sudo .venv/bin/python -m tests.deploy.rehearsal`.

It carries out the Dockerfile's own lines in a copy-on-write view of this machine (its Python instead of the base image's), then
starts what compose.yaml starts, in its order: each as the image's user, without capabilities, on a read-only root, with the
variables of compose.yaml. Only the addresses to listen on differ, because all share this machine's loopback interface. At last a
person asks for a card and an approver is asked by WhatsApp, and everything is told to stop.

    --dynamodb FOLDER    also plays the profile `localstack`, with the DynamoDBLocal.jar in that folder for DynamoDB, and for LocalStack
                         a second MiniStack that has EventBridge, SQS and SSM alone: LocalStack itself needs its image
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.deploy.dockerfile import REPOSITORY, Instruction, Stage, env_file, services, stages

BASE = Path(sys.base_prefix)
"""Stands for the Python of the base image."""

HEALTHY_SECONDS_MAX = 90
STOP_SECONDS_MAX = 25
PASSED_ON = ("SSL_", "PIP_", "UV_INDEX", "HTTPS_PROXY", "REQUESTS_CA_BUNDLE")
FOREIGN = ("localstack", "dynamodb")


def say(text: str) -> None:
    """Tell of a step."""
    sys.stdout.write(f"→ {text}\n")
    sys.stdout.flush()


def run(*command: object, **options: Any) -> "subprocess.CompletedProcess[str]":
    """Run to a good end."""
    return subprocess.run([str(word) for word in command], check=True, text=True, **options)


def mount(kind: str, place: Path, options: str) -> None:
    """Mount in our own namespace: gone when we are."""
    place.mkdir(parents=True, exist_ok=True)
    run("mount", "-t", kind, kind, "-o", options, place)


@dataclass(slots=True)
class Image:
    """A stage, carried out: the layers above this machine's own root."""

    layers: list[Path] = field(default_factory=list)
    folder: str = "/"
    environment: dict[str, str] = field(default_factory=lambda: {"PATH": f"{BASE}/bin:/usr/bin:/bin:/usr/sbin:/sbin"})

    def view(self, place: Path, *, upper: Path | None) -> None:
        """Show it at `place`: read-only, or with an upper layer that takes what is written."""
        below = ":".join(map(str, (*self.layers, "/")))
        if upper is None:
            mount("overlay", place, f"lowerdir={below}")
        else:
            for folder in (upper / "root", upper / "work"):
                folder.mkdir(parents=True)
            mount("overlay", place, f"lowerdir={below},upperdir={upper / 'root'},workdir={upper / 'work'}")
            for parent in (BASE, *BASE.parents):  # the image's user must reach the interpreter; in the upper layer alone
                run("chmod", "a+x", place / str(parent)[1:])
        mount("tmpfs", place / "dev", "mode=755,size=64k")
        for device in ("null", "zero", "random", "urandom"):
            (place / "dev" / device).touch()
            run("mount", "--bind", f"/dev/{device}", place / "dev" / device)
        mount("proc", place / "proc", "ro")


def build(stage: Stage, images: Mapping[str, Image], work: Path) -> Image:
    """Carry out a stage."""
    ground = images.get(stage.base, Image())
    place, upper = work / stage.name, work / f"{stage.name}-upper"
    ground.view(place, upper=upper)
    environment, folder = stage.environment(ground.environment), ground.folder
    for each in stage.instructions:
        if each.word == "WORKDIR":
            folder = each.rest
            (place / folder[1:]).mkdir(parents=True, exist_ok=True)
        elif each.word == "COPY":
            copy(each, place, folder, images)
        elif each.word == "RUN":
            say(f"{stage.name}: {each.rest[:110]}")
            network = {name: value for name, value in os.environ.items() if name.startswith(PASSED_ON)}
            command = ("chroot", str(place), "/bin/sh", "-c", f"cd {folder} && {each.rest}")
            run(*command, env={**network, **environment}, stdout=subprocess.DEVNULL)
    return Image([upper / "root", *ground.layers], folder, environment)


def copy(instruction: Instruction, place: Path, folder: str, images: Mapping[str, Image]) -> None:
    """COPY from the checkout, if .dockerignore lets it pass, or from another stage."""
    *sources, target = instruction.operands
    origin = images[instruction.options["from"]].layers[0] if "from" in instruction.options else REPOSITORY
    if origin is REPOSITORY:
        passing = (REPOSITORY / ".dockerignore").read_text().split("\n")
        assert all(f"!{source}" in passing for source in sources), (sources, "is kept out by .dockerignore")
    to = place / os.path.normpath(f"{folder}/{target}" if not target.startswith("/") else target)[1:]
    for source in sources:
        found = origin / source.lstrip("/")
        whole = (f"{found}/.", to) if found.is_dir() else (found, to)
        (to if found.is_dir() or target.endswith("/") else to.parent).mkdir(parents=True, exist_ok=True)
        run("cp", "-r", "--preserve=mode,links", *whole)


@dataclass(slots=True)
class Container:
    """A service of compose.yaml as a process."""

    name: str
    service: Mapping[str, Any]
    place: Path
    prefix: tuple[str, ...]
    command: tuple[str, ...]
    check: tuple[str, ...]
    environment: dict[str, str]
    log: Path
    process: "subprocess.Popen[bytes] | None" = None

    def start(self) -> None:
        """Start it."""
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                (*self.prefix, *self.command), env=self.environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )

    def within(self, *command: str) -> "subprocess.CompletedProcess[str]":
        """Run a command beside it, as `docker compose exec` does."""
        return subprocess.run((*self.prefix, *command), env=self.environment, capture_output=True, text=True, check=False)

    def until(self, condition: str) -> None:
        """Wait until it is healthy, or has ended well."""
        assert self.process is not None
        until = time.monotonic() + HEALTHY_SECONDS_MAX
        while condition == "service_completed_successfully" or self.within(*self.check).returncode:
            ended = self.process.poll()
            if condition == "service_completed_successfully" and ended == 0:
                return
            assert ended is None, f"{self.name} ended with {ended}: {self.log.read_text()[-2000:]}"
            assert time.monotonic() < until, f"{self.name} is not healthy: {self.log.read_text()[-2000:]}"
            time.sleep(0.1)

    def stop(self) -> None:
        """SIGTERM; it must end by itself, in time and well."""
        assert self.process is not None
        began = time.monotonic()
        self.process.terminate()
        code = self.process.wait(STOP_SECONDS_MAX)
        say(f"{self.name}: stopped in {time.monotonic() - began:.1f} s with {code}")
        # uvicorn ends a clean stop by raising the signal again: 143 to whoever runs the container
        assert code in (0, -signal.SIGTERM), self.log.read_text()[-2000:]


def contain(name: str, address: str, service: Mapping[str, Any], image: Image, stage: Stage, work: Path) -> Container:
    """Prepare a service: its read-only root, its /tmp, its volume, its user, its environment."""
    place = work / f"run-{name}"
    image.view(place, upper=None)
    mount("tmpfs", place / "tmp", "mode=1777")
    volume, at, *options = service["volumes"][0].split(":")
    (work / f"volume-{volume}").mkdir(exist_ok=True)
    user = stage.last("USER").rest
    run("chown", user, work / f"volume-{volume}")
    run("mount", "--bind", work / f"volume-{volume}", place / at[1:])
    if "ro" in options:
        run("mount", "-o", "remount,bind,ro", place / at[1:])
    (work / "hosts").touch()
    run("mount", "--bind", work / "hosts", place / "etc/hosts")
    uid, gid = user.split(":")
    bare = (
        "setpriv",
        f"--reuid={uid}",
        f"--regid={gid}",
        "--clear-groups",
        "--no-new-privs",
        "--bounding-set=-all",
        "--inh-caps=-all",
    )
    prefix = ("chroot", str(place), "env", f"--chdir={stage.last('WORKDIR').rest}", *bare)
    entry = [word for each in stage.instructions if each.word == "ENTRYPOINT" for word in each.words]
    command = [*entry, *(service.get("command") or stage.last("CMD").words)]
    check = (service.get("healthcheck") or {}).get("test") or stage.last("HEALTHCHECK").rest.split("CMD ")[1]
    words = json.loads(check) if isinstance(check, str) else check[1:]
    elsewhere = {"TAZCO_HOST": address, "BIND_HOST": address}
    given = {key: str(value) for key, value in (service.get("environment") or {}).items()}
    return Container(
        name,
        service,
        place,
        prefix,
        tuple(address if word == "0.0.0.0" else word for word in command),  # noqa: S104 - replaced by a loopback address
        tuple(word.replace("127.0.0.1", address) for word in words),
        {**image.environment, **given, **elsewhere},
        work / f"{name}.log",
    )


@contextmanager
def playing(
    variables: Mapping[str, str],
    profiles: tuple[str, ...],
    images: Mapping[str, Image],
    work: Path,
    foreign: Mapping[str, Container],
) -> Iterator[dict[str, Container]]:
    """Everything that `docker compose up` starts, in its order; told to stop at the end."""
    chosen = services(variables, profiles)
    addresses = {name: f"127.0.1.{number}" for number, name in enumerate(chosen, 1)}
    (work / "hosts").write_text("127.0.0.1 localhost\n" + "".join(f"{address} {name}\n" for name, address in addresses.items()))
    known = stages()
    running: dict[str, Container] = {}
    with ExitStack() as stack:

        def start(name: str) -> None:
            for needed, how in chosen[name].get("depends_on", {}).items():
                if needed in chosen:
                    if needed not in running:
                        start(needed)
                    running[needed].until(how["condition"])
            if name in running:
                return
            target = str((chosen[name].get("build") or {}).get("target"))
            container = (
                foreign[name]
                if name in FOREIGN
                else contain(name, addresses[name], chosen[name], images[target], known[target], work)
            )
            container.start()
            say(f"{name}: {' '.join(container.command)[:110]}")
            running[name] = container
            if chosen[name].get("restart") != "no":
                stack.callback(foreign_stop if name in FOREIGN else Container.stop, container)

        for name in chosen:
            start(name)
        for name, container in running.items():
            container.until("service_completed_successfully" if chosen[name].get("restart") == "no" else "service_healthy")
        say(f"all {len(running)} are healthy or have ended well")
        yield running


def foreign_stop(container: Container) -> None:
    """Not ours to judge how it ends."""
    assert container.process is not None
    container.process.terminate()
    with suppress(subprocess.TimeoutExpired):
        container.process.wait(10)
    container.process.kill()


def tour(running: Mapping[str, Container]) -> None:
    """A person with a low score asks for a card; the approver's phone shows the question."""
    api = running["api"]
    ready = "http://api:3000/health/readiness"
    assert api.within("python", "/opt/healthy.py", ready).returncode == 0
    token = api.within("tazco", "token", "low@tazco.local")
    assert token.returncode == 0, token.stderr
    ask = (
        "import json,sys,urllib.request as u;"
        "r=u.Request('http://api:3000/v1/cards/requests',json.dumps({'productId':'default-credit-card'}).encode(),"
        "{'Authorization':'Bearer '+sys.argv[1],'Idempotency-Key':'rehearsal','Content-Type':'application/json'});"
        "print(u.urlopen(r).read().decode())"
    )
    asked = api.within("python", "-c", ask, token.stdout.strip())
    assert '"pending"' in asked.stdout, asked.stderr + asked.stdout
    until = time.monotonic() + HEALTHY_SECONDS_MAX
    while "430" not in (shown := api.within("tazco", "phone", "--show")).stdout:
        assert time.monotonic() < until, shown.stderr + shown.stdout + running["worker"].log.read_text()[-2000:]
        time.sleep(0.2)
    say("a request is pending, and the approver's phone shows the question: relay, bus, queue, worker and stand-in work together")
    look = api.within("tazco", "provision", "--check")
    say(f"provision --check: {look.stderr.strip().splitlines()[-1]}")
    forbidden = api.within("sh", "-c", "touch /opt/tazco/x /var/lib/tazco/x; id -u; ls -A /tmp")
    say(f"api writes nothing: {' '.join(forbidden.stderr.split())}; user and files in /tmp: {' '.join(forbidden.stdout.split())}")
    assert forbidden.stderr.count("Read-only file system") == 2


def others(jar: Path, images: Mapping[str, Image], work: Path) -> dict[str, Container]:
    """Who stands in for the two images that cannot be had here."""
    chosen = services({}, ("localstack",))
    at = {name: f"127.0.1.{list(chosen).index(name) + 1}" for name in FOREIGN}
    played = {
        "environment": {"SERVICES": chosen["localstack"]["environment"]["SERVICES"]},
        "volumes": ["localstack:/var/lib/tazco"],
    }
    command = [word for word in chosen["dynamodb"]["command"] if not word.startswith("-Djava.io")]
    java = ("java", f"-Djava.library.path={jar / 'DynamoDBLocal_lib'}", *command, "-port", "8000")
    check = (sys.executable, "-c", "import socket,sys; socket.create_connection((sys.argv[1], 8000), 3)", at["dynamodb"])
    return {
        "localstack": contain("localstack", at["localstack"], played, images["emulator"], stages()["emulator"], work),
        "dynamodb": Container(
            "dynamodb", {}, work, ("env", f"--chdir={jar}"), java, check, dict(os.environ), work / "dynamodb.log"
        ),
    }


def main() -> None:
    """Build, play, tour, stop."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dynamodb", type=Path)
    arguments = parser.parse_args()
    if "TAZCO_REHEARSAL" not in os.environ:
        outside()
        return
    work = Path(os.environ["TAZCO_REHEARSAL"])
    mount("tmpfs", work, "mode=755")
    images: dict[str, Image] = {}
    for stage in stages().values():
        images[stage.name] = build(stage, images, work)
    with playing({}, (), images, work, {}) as running:
        tour(running)
    if arguments.dynamodb:
        say("again with the profile localstack")
        again = work / "again"  # volumes, logs and roots of its own
        mount("tmpfs", again, "mode=755")
        foreign = others(arguments.dynamodb.absolute(), images, again)
        with playing(env_file("localstack.env"), ("localstack",), images, again, foreign) as running:
            tour(running)
    say("rehearsed")


def outside() -> None:
    """Run ourselves in a mount namespace of our own, which takes everything along when it ends.

    Nothing is ever deleted recursively: below the folder are views of this machine. What is left of it is one empty folder.
    """
    folder = tempfile.mkdtemp(prefix="tazco-rehearsal-")
    environment = {**os.environ, "TAZCO_REHEARSAL": folder}
    command = ("unshare", "--mount", "--fork", "--kill-child", sys.executable, "-m", "tests.deploy.rehearsal", *sys.argv[1:])
    ended = subprocess.run(command, env=environment, check=False)
    Path(folder).rmdir()
    sys.exit(ended.returncode)


if __name__ == "__main__":
    main()
