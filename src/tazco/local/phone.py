"""`tazco phone`: an approver's phone in the terminal, live or for scripts."""

import asyncio
import os
import sys
from collections.abc import Sequence
from typing import Final

from rich.console import Console
from rich.text import Text

from tazco.local.endpoints import NobodyThere, listens
from tazco.local.http_client import ApiClient
from tazco.local.phone_calls import Calls, NotDone, View
from tazco.local.phone_live import LivePhone
from tazco.local.phone_screen import Painter, numbered
from tazco.local.programme import STAND_IN_URL_VARIABLE
from tazco.local.stand_in.phones import Bubble, Sender
from tazco.local.terminal import EXIT_AMISS, fail, out
from tazco.platform.phones import normalise_phone
from tazco.platform.wire import WireFailure

RING_SECONDS_MAX: Final = 5.0
REPLY_SECONDS_MAX: Final = 3.0
NOBODY_WROTE: Final = "Nobody has written to a phone yet. Ask for a card as low@tazco.local, or name a phone with --number."


def phone(*, number: str | None = None, show: bool = False, tap: str | None = None, text: str | None = None) -> None:
    """Show the phone live; or once (`show`, and wherever no person sits at the terminal); or tap a button; or write `text`.

    Raise `NobodyThere` without a stand-in; end with exit code 1 where there is nothing to tap or Tazco does not take the answer.
    """
    url = stand_in_url()
    live = not (show or tap or text) and sys.stdin.isatty() and out.is_terminal
    try:
        asyncio.run(_run(url, number and (normalise_phone(number) or number), live=live, tap=tap, text=text))
    except NotDone as error:
        fail(str(error), EXIT_AMISS)
    except WireFailure as error:
        fail(f"The stand-in at {url} does not answer: {error}. Is `tazco dev` still running?", EXIT_AMISS)


def stand_in_url() -> str:
    """Where the stand-in is; raise `NobodyThere` with cause and cure."""
    url = os.environ.get(STAND_IN_URL_VARIABLE)
    if not url:
        raise NobodyThere(
            f"{STAND_IN_URL_VARIABLE} is not set, so there is no phone to show. Start `tazco dev` in this folder; the phone finds it by itself."
        )
    if not listens(url):
        raise NobodyThere(f"Nothing answers at {url} ({STAND_IN_URL_VARIABLE}). Start `tazco dev` again, or correct the variable.")
    return url


async def _run(url: str, address: str | None, *, live: bool, tap: str | None, text: str | None) -> None:
    client = ApiClient(url)
    calls = Calls(client)
    try:
        if live:
            await LivePhone(calls, out, address).run()
        elif tap or text:
            await _answer(calls, await _named(calls, address), tap, text)
        else:
            await _show(calls, await _named(calls, address))
    finally:
        client.close()


async def _named(calls: Calls, address: str | None) -> str:
    found = address or await calls.first_address()
    if found is None:
        raise NotDone(NOBODY_WROTE)
    return found


async def _show(calls: Calls, address: str) -> None:
    view = await calls.view(address)
    await calls.read(address)
    painter = Painter.on(out)
    rows = painter.thread(view.thread) if view.thread else painter.told("No message yet.")
    _print(out, painter, [*painter.header(view.name, view.address), *rows])


async def _answer(calls: Calls, address: str, tap: str | None, text: str | None) -> None:
    """Tap or write, then show what that looks like, and Tazco's reply if one comes."""
    if tap:
        question = await _question(calls, address, tap)
        button = next(each for each in question.buttons if each.is_called(tap))
        answer = await calls.tap(address, question.id, button.id)
    else:
        answer = await calls.type(address, text or "")
    await calls.next_message(address, answer.number, REPLY_SECONDS_MAX)
    view = await calls.view(address)
    await calls.read(address)
    painter = Painter.on(out)
    _print(out, painter, painter.thread(view.thread, newer_than=answer.number - 1))


async def _question(calls: Calls, address: str, word: str) -> Bubble:
    """The newest message that waits for an answer and has such a button; waited for, since events take a moment to arrive."""
    view: View | None = None
    end = asyncio.get_running_loop().time() + RING_SECONDS_MAX
    while (left := end - asyncio.get_running_loop().time()) > 0:
        view = await calls.view(address, since=view.revision if view else -1, seconds=left if view else 0)
        waiting = {each.message_id for each in numbered(view.thread).values() if each.open and each.button.is_called(word)}
        for bubble in reversed(view.thread):
            if bubble.sender is Sender.BUSINESS and bubble.id in waiting:
                return bubble
    raise NotDone(f"No message on {address} waits for an answer {word!r}. `tazco phone --show` shows what is there.")


def _print(console: Console, painter: Painter, rows: Sequence[Text]) -> None:
    for row in painter.placed(rows):
        console.print(row, soft_wrap=True)
