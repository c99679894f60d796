"""An approver's phone in the terminal: what it shows, what keys and scripts do, how it ends."""

import asyncio
import fcntl
import os
import pty
import signal
import struct
import sys
import termios
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from rich.cells import cell_len
from rich.console import Console

from tazco.local.phone_keys import Key, Line
from tazco.local.phone_screen import Painter, numbered, spoken
from tazco.local.programme import STAND_IN_URL_VARIABLE
from tazco.local.stand_in.phones import Bubble, Button, Kind, Phone, Provider, Sender, Tick
from tests.local.commands import tazco
from tests.processes import free_port
from tests.stand_in import RunningStandIn, stand_in_running

NUMBER = "5511900000000"
AT = datetime(2031, 4, 5, 6, 7, tzinfo=UTC)


def buttons(code: str) -> tuple[Button, ...]:
    return Button(f"approve:{code}", "Approve"), Button(f"reject:{code}", "Reject")


def asked(code: str) -> str:
    return f"[CARD REQUEST] #{code}\nCustomer: user-77@example.com\nTier: low"


def bubble(number: int, text: str, *, own: bool = False, tick: Tick = Tick.SENT, answers: str | None = None) -> Bubble:
    code = text.partition("#")[2][:8] if not own else ""
    return Bubble(
        number=number,
        id=f"m{number}",
        sender=Sender.HOLDER if own else Sender.BUSINESS,
        provider=Provider.META,
        kind=Kind.TEXT,
        text=text,
        at=AT,
        buttons=buttons(code) if code else (),
        tick=tick,
        answers=answers,
    )


def drawn(thread: Sequence[Bubble], *, width: int = 80, colours: bool = False) -> list[str]:
    """The rows of a thread, as text."""
    painter = Painter.on(Console(width=width, color_system="truecolor" if colours else None, force_terminal=colours))
    return [row.plain.rstrip() for row in painter.placed([*painter.header("Desk 1", NUMBER), *painter.thread(thread)])]


def row_with(rows: Sequence[str], text: str) -> str:
    return next(row for row in rows if text in row)


def test_what_arrives_stands_left_and_own_answers_right() -> None:
    rows = drawn([bubble(1, asked("7K3M9QXD")), bubble(2, "Approve", own=True, answers="m1", tick=Tick.DELIVERED)])
    assert row_with(rows, "user-77@example.com").startswith("  │ ")
    assert row_with(rows, "│ Approve ").startswith(" " * 10)
    assert any("Tazco on the phone of Desk 1 · +55 11 90000-0000" in row for row in rows)
    assert sum("[CARD REQUEST] #7K3M9QXD" in row for row in rows) == 2, "the answer quotes what it answers"


@pytest.mark.parametrize(
    ("tick", "mark"), [(Tick.SENT, " ✓ "), (Tick.DELIVERED, " ✓✓ "), (Tick.READ, " ✓✓ "), (Tick.FAILED, " ! ")]
)
def test_ticks_tell_how_far_an_answer_got(tick: Tick, mark: str) -> None:
    assert mark in row_with(drawn([bubble(1, "y 7K3M9QXD", own=True, tick=tick)]), "y 7K3M9QXD") + " "


def test_read_ticks_are_blue() -> None:
    def blue(tick: Tick) -> bool:
        painter = Painter.on(Console(width=80, color_system="truecolor", force_terminal=True))
        (row,) = [row for row in painter.thread([bubble(1, "yes", own=True, tick=tick)]) if "✓✓" in row.plain]
        return any("✓✓" in row.plain[span.start : span.end] and "#53bdeb" in str(span.style) for span in row.spans)

    assert blue(Tick.READ)
    assert not blue(Tick.DELIVERED)


def test_a_number_stays_with_its_button_when_messages_come_and_go() -> None:
    one, two = bubble(1, asked("7K3M9QXD")), bubble(2, asked("Q2M8ZT4A"))
    before, after = numbered([one]), numbered([one, two, bubble(3, "Approve", own=True, answers="m1")])
    assert [each.number for each in before.values()] == [1, 2]
    assert [(each.number, each.button.id) for each in after.values() if each.open] == [
        (3, "approve:Q2M8ZT4A"),
        (4, "reject:Q2M8ZT4A"),
    ]
    rows = drawn([one, two, bubble(3, "Approve", own=True, answers="m1")])
    assert not any("[1]" in row or "[2]" in row for row in rows)
    assert any("Approve  [3]" in row for row in rows)


@pytest.mark.parametrize("colours", [False, True])
@pytest.mark.parametrize("width", [24, 40, 58, 200])
def test_no_row_is_wider_than_the_phone_and_nothing_is_lost(width: int, colours: bool) -> None:  # noqa: FBT001 - pytest's
    long = "x" * 300
    rows = drawn(
        [bubble(1, f"{asked('7K3M9QXD')}\n{long}\n日本語テキスト" * 2), bubble(2, long, own=True)], width=width, colours=colours
    )
    assert max(map(cell_len, rows)) <= min(width, 58)
    assert sum(row.count("x") for row in rows) >= 900


def test_colours_are_surfaces_and_without_them_there_are_boxes() -> None:
    assert any("╭" in row for row in drawn([bubble(1, "hello")]))
    assert not any("╭" in row for row in drawn([bubble(1, "hello")], colours=True))


def test_addresses_are_shown_as_people_read_them() -> None:
    assert [spoken(each) for each in (NUMBER, "4915112345678", "BR.13491")] == ["+55 11 90000-0000", "+4915112345678", "BR.13491"]


def test_keys_write_correct_and_command() -> None:
    line = Line()
    assert list(line.feed("naoo\x7f\x7fão".encode())) == []
    assert line.text == "naão"
    assert list(line.feed(b"\x1b[A\x1b[6~\x1b[200~\xc3")) == [Key.UP, Key.PAGE_DOWN], "what it does not know is no text"
    assert list(line.feed(b"\xa3\x15y 7\r")) == [Key.ENTER]
    assert (line.taken(), line.text) == ("y 7", "")
    assert list(line.feed(b"\x04")) == [Key.LEAVE]
    assert list(line.feed(b"a\x04")) == [], "Ctrl-D leaves an empty line only"


@dataclass(slots=True)
class Desk:
    """A stand-in whose API answers every webhook, and one phone on it."""

    stand_in: RunningStandIn
    phone: Phone
    status: int = 200

    def ask(self, code: str) -> Bubble:
        """A card request arrives."""
        return self.stand_in.behind.arrive(
            self.phone, provider=Provider.META, kind=Kind.QUESTION, text=asked(code), buttons=buttons(code)
        )

    def tell(self, text: str) -> None:
        """A plain message arrives."""
        self.stand_in.behind.arrive(self.phone, provider=Provider.META, kind=Kind.TEXT, text=text)

    def answer(self, request: httpx.Request) -> httpx.Response:
        """What the API does: take the webhook and, for a message of the holder's, reply."""
        if b'"messages":[' in request.content and self.status == 200:
            self.tell("Approved.")
        return httpx.Response(self.status, json={"ok": True, "results": []})

    @property
    def own(self) -> list[str]:
        """What the holder answered: payloads of buttons, texts."""
        return [each.payload or each.text for each in self.phone.thread if each.sender is Sender.HOLDER]

    async def run(self, folder: Path, *arguments: str) -> tuple[int, str, str]:
        """`tazco phone <arguments>` to its end, while we serve it."""
        ran = await asyncio.to_thread(tazco, folder, "phone", *arguments, environment={STAND_IN_URL_VARIABLE: self.stand_in.url})
        return ran.returncode, ran.stdout, ran.stderr


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    async with stand_in_running() as stand_in:
        opened = Desk(stand_in, stand_in.phone(NUMBER, name="Desk 1"))
        async with httpx.AsyncClient(transport=httpx.MockTransport(opened.answer), base_url="http://api.test") as api:
            stand_in.send_webhooks_to(api)
            yield opened
            stand_in.send_webhooks_to(None)
            await stand_in.courier.settled()


async def test_a_script_sees_the_thread_as_plain_text(desk: Desk, tmp_path: Path) -> None:
    asked_for = desk.ask("7K3M9QXD")
    code, shown, errors = await desk.run(tmp_path, "--show")
    assert (code, errors) == (0, "")
    assert "#7K3M9QXD" in shown
    assert "Approve  [1]" in shown
    assert "\x1b" not in shown
    found = desk.stand_in.phones.find(asked_for.id)
    assert found
    assert found[1].tick is Tick.READ, "who looks has read"
    assert (await desk.run(tmp_path))[1].splitlines() == shown.splitlines(), "piped it never is live"


async def test_a_script_taps_and_sees_the_reply(desk: Desk, tmp_path: Path) -> None:
    desk.ask("7K3M9QXD")
    code, shown, _ = await desk.run(tmp_path, "--tap", "approve")
    assert code == 0
    assert desk.own == ["approve:7K3M9QXD"]
    assert "Approved." in shown
    assert "✓✓" in shown


async def test_a_script_taps_the_newest_that_still_waits_for_an_answer(desk: Desk, tmp_path: Path) -> None:
    desk.ask("7K3M9QXD")
    desk.ask("Q2M8ZT4A")
    for _ in range(2):
        assert (await desk.run(tmp_path, "--tap", "Reject"))[0] == 0
    assert desk.own == ["reject:Q2M8ZT4A", "reject:7K3M9QXD"]


async def test_a_tap_waits_a_moment_for_the_message(desk: Desk, tmp_path: Path) -> None:
    tapping = asyncio.create_task(desk.run(tmp_path, "--tap", "approve"))
    revision = desk.phone.revision
    while desk.phone.revision == revision and not tapping.done():
        desk.ask("7K3M9QXD")
        await asyncio.sleep(0)
    assert (await tapping)[0] == 0


async def test_a_script_types(desk: Desk, tmp_path: Path) -> None:
    code, shown, _ = await desk.run(tmp_path, "--type", "n 7K3M9QXD", "--number", "+55 (11) 90000-0000")
    assert (code, desk.own) == (0, ["n 7K3M9QXD"])
    assert "n 7K3M9QXD" in shown


async def test_nothing_to_tap_and_an_answer_not_taken_end_with_1(desk: Desk, tmp_path: Path) -> None:
    code, _, told = await desk.run(tmp_path, "--tap", "approve")
    assert (code, "waits for an answer 'approve'" in told) == (1, True)
    desk.ask("7K3M9QXD")
    desk.status = 503
    code, _, told = await desk.run(tmp_path, "--type", "y 7K3M9QXD")
    assert (code, "HTTP 503" in told) == (1, True)
    desk.status = 200
    await desk.stand_in.courier.settled()
    code, _, told = await desk.run(tmp_path, "--show", "--number", "4915112345678")
    assert (code, "nothing was sent to it yet" in told) == (1, True)


def test_without_a_stand_in_the_cure_is_told(tmp_path: Path) -> None:
    unset = tazco(tmp_path, "phone", "--show")
    assert (unset.returncode, "tazco dev" in unset.stderr) == (2, True)
    dead = tazco(tmp_path, "phone", "--show", environment={STAND_IN_URL_VARIABLE: f"http://127.0.0.1:{free_port()}"})
    assert (dead.returncode, STAND_IN_URL_VARIABLE in dead.stderr) == (2, True)


@dataclass(slots=True)
class Terminal:
    """A live phone in a terminal of its own."""

    master: int
    child: asyncio.subprocess.Process
    seen: bytearray = field(default_factory=bytearray)

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(20):
            while not condition():
                await asyncio.sleep(0.01)

    async def shows(self, text: str) -> None:
        await self.until(lambda: text.encode() in self.seen)

    def press(self, keys: str) -> None:
        self.seen.clear()
        os.write(self.master, keys.encode())

    def take(self) -> None:
        """Read what it draws; the terminal ends with the child."""
        try:
            self.seen += os.read(self.master, 65536)
        except OSError:
            asyncio.get_running_loop().remove_reader(self.master)

    async def ended(self) -> int:
        async with asyncio.timeout(10):
            return await self.child.wait()


@asynccontextmanager
async def terminal(desk: Desk, folder: Path) -> AsyncIterator[Terminal]:
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 80, 0, 0))
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "TAZCO_", "NO_COLOR"))}
    environment = {**inherited, "TERM": "xterm-256color", STAND_IN_URL_VARIABLE: desk.stand_in.url}
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tazco",
        "phone",
        stdin=slave,
        stdout=slave,
        stderr=slave,
        cwd=folder,
        env=environment,
        start_new_session=True,
    )
    os.close(slave)
    opened = Terminal(master, child)
    asyncio.get_running_loop().add_reader(master, opened.take)
    try:
        yield opened
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
        asyncio.get_running_loop().remove_reader(master)
        os.close(master)


async def test_the_live_phone_rings_taps_writes_and_leaves(desk: Desk, tmp_path: Path) -> None:
    async with terminal(desk, tmp_path) as screen:
        await screen.shows("No message yet")
        desk.ask("7K3M9QXD")
        await screen.shows("#7K3M9QXD")
        assert b"\x07" in screen.seen, "it rings"
        screen.press("1\r")
        await screen.shows("Approved.")
        assert desk.own == ["approve:7K3M9QXD"]
        screen.press("n 7K3M9QXD\r")
        await screen.until(lambda: desk.own == ["approve:7K3M9QXD", "n 7K3M9QXD"])
        await screen.until(lambda: all(each.tick is Tick.READ for each in desk.phone.thread))
        screen.press("q\r")
        assert await screen.ended() == 0


async def test_the_live_phone_says_when_an_answer_is_not_taken(desk: Desk, tmp_path: Path) -> None:
    desk.status = 500
    async with terminal(desk, tmp_path) as screen:
        await screen.shows("No message yet")
        screen.press("hello\r")
        await screen.shows("Tazco did not take the answer")
        screen.child.send_signal(signal.SIGINT)
        assert await screen.ended() == 0
