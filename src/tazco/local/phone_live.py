"""The live phone: the whole terminal is its screen, new messages appear by themselves, keys write and tap."""

import asyncio
import os
import signal
from dataclasses import dataclass, field
from typing import Final

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from tazco.local.phone_calls import POLL_SECONDS, Calls, NotDone, View
from tazco.local.phone_keys import Key, Line, keys_one_by_one
from tazco.local.phone_screen import Painter, numbered
from tazco.platform.wire import WireFailure

AGAIN_SECONDS: Final = 1.0
READ_BYTES: Final = 4096
LOOKING: Final = "Looking for the phone …"
EMPTY: Final = "No message yet. It rings when somebody with a low score asks for a card."
GONE: Final = "the stand-in does not answer; is `tazco dev` running?"
KEEP_ROWS: Final = 3


@dataclass(slots=True)
class LivePhone:
    """One phone on one terminal. `address` None: the first that there is."""

    calls: Calls
    console: Console
    address: str | None
    view: View | None = None
    asked: bool = False
    notice: str = ""
    scrolled: int = 0
    line: Line = field(default_factory=Line)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    _left: bool = False
    _doing: set[asyncio.Task[None]] = field(default_factory=set)

    async def run(self) -> None:
        """Until somebody leaves."""
        loop = asyncio.get_running_loop()
        with keys_one_by_one() as descriptor, Live(console=self.console, screen=True, auto_refresh=False) as shown:
            loop.add_reader(descriptor, self._keys, descriptor)
            for number, reaction in ((signal.SIGINT, self._leave), (signal.SIGTERM, self._leave), (signal.SIGWINCH, self._wake)):
                loop.add_signal_handler(number, reaction)
            watching = asyncio.create_task(self._watch())
            try:
                while not self._left:
                    self._changed.clear()
                    shown.update(self.screen(self.console.height), refresh=True)
                    await self._changed.wait()
            finally:
                loop.remove_reader(descriptor)
                for task in (watching, *self._doing):
                    task.cancel()
                await asyncio.gather(watching, *self._doing, return_exceptions=True)

    def screen(self, height: int) -> Group:
        """Header above, line below, and between them as much of the thread's end as fits."""
        painter = Painter.on(self.console)
        head = painter.header(self.view.name if self.view else "", self.view.address if self.view else self.address or "")
        foot = painter.line(self.line.text, self._hint(), self.notice)
        nothing = [Text(), *painter.told(EMPTY if self.view or self.asked else LOOKING)]
        rows = painter.thread(self.view.thread) if self.view and self.view.thread else nothing
        room = max(KEEP_ROWS, height - len(head) - len(foot))
        self.scrolled = max(0, min(self.scrolled, len(rows) - room))
        end = len(rows) - self.scrolled
        shown = rows[max(0, end - room) : end]
        filled = [*shown, *([Text()] * (room - len(shown)))]
        margin = " " * ((self.console.width - painter.width) // 2)
        return Group(*(Text.assemble(margin, row) for row in [*head, *painter.placed(filled), *foot]))

    def _hint(self) -> str:
        open_buttons = [each for each in numbered(self.view.thread).values() if each.open] if self.view else []
        taps = " · ".join(f"{each.number} {each.button.title}" for each in open_buttons[-2:])
        return f"{taps} · or write · q leaves" if taps else "write, or q to leave"

    def _keys(self, descriptor: int) -> None:
        raw = os.read(descriptor, READ_BYTES)
        if not raw:
            self._leave()
        page = max(1, self.console.height // 2)
        moves = {Key.UP: 1, Key.DOWN: -1, Key.PAGE_UP: page, Key.PAGE_DOWN: -page}
        for key in self.line.feed(raw):
            if key is Key.LEAVE:
                self._leave()
            elif key is Key.ENTER:
                self._entered(self.line.taken())
            else:
                self.scrolled += moves[key]
        self._wake()

    def _entered(self, text: str) -> None:
        """A whole line: leave, tap the button of that number, or write it."""
        self.notice, self.scrolled = "", 0
        if text.casefold() == "q":
            self._leave()
        elif text and self.view is None:
            self.notice = "Nobody has written to this phone yet."
        elif text and self.view:
            task = asyncio.create_task(self._do(self.view, text))
            self._doing.add(task)
            task.add_done_callback(self._doing.discard)

    async def _do(self, view: View, text: str) -> None:
        meant = [each for each in numbered(view.thread).values() if text == str(each.number)]
        try:
            if meant:
                await self.calls.tap(view.address, meant[0].message_id, meant[0].button.id)
            else:
                await self.calls.type(view.address, text)
        except NotDone as error:
            self.notice = str(error)
        except WireFailure:
            self.notice = GONE
        self._wake()

    async def _watch(self) -> None:
        """Follow the phone; ring for what is new, and tell that it was read."""
        while True:
            try:
                await self._look()
                if self.notice == GONE:
                    self.notice = ""
            except NotDone:
                self.view, self.asked = None, True  # no such phone yet, or the stand-in started over
                await asyncio.sleep(AGAIN_SECONDS)
            except WireFailure:
                self.notice = GONE
                await asyncio.sleep(AGAIN_SECONDS)
            self._wake()

    async def _look(self) -> None:
        address = self.view.address if self.view else self.address or await self.calls.first_address(POLL_SECONDS)
        if address is None:
            self.asked = True
            return
        before = self.view
        self.view = await self.calls.view(address, since=before.revision if before else -1, seconds=POLL_SECONDS)
        if before and self.view.last > before.last:
            self.console.bell()
        await self.calls.read(address)

    def _leave(self) -> None:
        self._left = True
        self._wake()

    def _wake(self) -> None:
        self._changed.set()
