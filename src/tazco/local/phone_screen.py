"""How a phone looks in the terminal: bubbles with their buttons and ticks, a header, a line to write on; plain text when piped."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.style import Style
from rich.text import Text

from tazco.local.stand_in.phones import Bubble, Button, Kind, Sender, Tick

WIDTH_MAX: Final = 58
BUBBLE_SHARE: Final = 0.8
BUBBLE_WIDTH_MIN: Final = 20
MARGIN: Final = 2

NIGHT: Final = "#0b141a"
BAR: Final = "#202c33"
INCOMING: Final = "#202c33"
OWN: Final = "#005c4b"
PALE: Final = "#a9c7bf"
LINE: Final = "#2f3d45"
INK: Final = "#e9edef"
FAINT: Final = "#8696a0"
GREEN: Final = "#00a884"
BLUE: Final = "#53bdeb"
RED: Final = "#f15c6d"

TICKS: Final = {Tick.SENT: "✓", Tick.DELIVERED: "✓✓", Tick.READ: "✓✓", Tick.FAILED: "!"}


@dataclass(frozen=True, slots=True)
class Numbered:
    """A button and the number under which it can be tapped; `open` until one of its message was."""

    number: int
    message_id: str
    button: Button
    open: bool


def numbered(thread: Sequence[Bubble]) -> dict[tuple[str, str], Numbered]:
    """Every button of a thread by message and id, numbered as they came: a number never moves to another button."""
    answered = {bubble.answers for bubble in thread}
    found: dict[tuple[str, str], Numbered] = {}
    for bubble in thread:
        for button in bubble.buttons:
            found[bubble.id, button.id] = Numbered(len(found) + 1, bubble.id, button, bubble.id not in answered)
    return found


def spoken(address: str) -> str:
    """An address as people read it: +55 11 90000-0000; user ids as they are."""
    if not address.isdigit():
        return address
    if address.startswith("55") and len(address) == len("5511900000000"):
        return f"+55 {address[2:4]} {address[4:9]}-{address[9:]}"
    return f"+{address}"


@dataclass(frozen=True, slots=True)
class Painter:
    """Draws bubbles for one console: coloured surfaces where there are colours, boxes where there are none."""

    console: Console
    width: int

    @classmethod
    def on(cls, console: Console) -> "Painter":
        """One that fits."""
        return cls(console, max(BUBBLE_WIDTH_MIN + 2 * MARGIN, min(console.width, WIDTH_MAX)))

    @property
    def coloured(self) -> bool:
        """Whether surfaces can be told by their colour."""
        return self.console.color_system is not None

    def header(self, name: str, address: str) -> list[Text]:
        """Whose phone it is, and with whom the chat is."""
        holder = f"{name} · {spoken(address)}" if name else spoken(address)
        if not self.coloured:
            return [*self._wrapped(Text(f"Tazco on the phone of {holder}"), self.width), Text()]
        first = Text.assemble(("  ←  ", INK), (" T ", f"bold {INK} on {GREEN}"), ("  Tazco ", f"bold {INK}"), ("✔", GREEN))
        second = Text.assemble(("           business account", FAINT))
        bars = [self._bar(Text(f"  {holder}", FAINT)), self._bar(first), self._bar(second)]
        return [*bars, Text.assemble(("▀" * self.width, Style(color=BAR, bgcolor=NIGHT)))]

    def thread(self, thread: Sequence[Bubble], *, newer_than: int = 0) -> list[Text]:
        """The bubbles with a number above `newer_than`, oldest first, with the day between them where it changes."""
        buttons = numbered(thread)
        by_id = {bubble.id: bubble for bubble in thread}
        rows: list[Text] = []
        day = ""
        for bubble in (each for each in thread if each.number > newer_than):
            if (today := _day(bubble)) != day:
                day = today
                rows += self._chip(day)
            rows += [*self._bubble(bubble, by_id, buttons), Text()]
        return rows

    def placed(self, rows: Sequence[Text]) -> list[Text]:
        """Rows of exactly the phone's width."""
        return [self._bar(row, NIGHT) if self.coloured else row for row in rows]

    def told(self, text: str) -> list[Text]:
        """A remark in the place of a thread."""
        return [Text.assemble("  ", (line.plain, FAINT)) for line in self._wrapped(Text(text), self.width - 4)]

    def line(self, typed: str, hint: str, notice: str) -> list[Text]:
        """The line to write on, with its cursor, and below it what can be done or what went wrong."""
        room = self.width - 8
        shown = typed if cell_len(typed) < room else "…" + typed[-(room - 2) :]
        write = (
            Text.assemble("  ", (f" {shown}", INK), ("█", GREEN))
            if typed
            else Text.assemble("  ", ("█", GREEN), (" Message", FAINT))
        )
        below = Text(f"  {notice}", RED) if notice else Text(f"  {hint}", FAINT)
        return [Text.assemble(("▄" * self.width, Style(color=BAR, bgcolor=NIGHT))), self._bar(write), self._bar(below)]

    def _bubble(self, bubble: Bubble, by_id: Mapping[str, Bubble], buttons: Mapping[tuple[str, str], Numbered]) -> Iterable[Text]:
        own = bubble.sender is Sender.HOLDER
        inner_max = int(self.width * BUBBLE_SHARE) - 4
        body = self._wrapped(_body(bubble), inner_max)
        quote = self._quote(by_id.get(bubble.answers or ""), inner_max)
        foot = _foot(bubble)
        shown = [buttons[bubble.id, button.id] for button in bubble.buttons]
        labels = [_label(each) for each in shown]
        inner = max(map(_cells, (*body, *quote, *labels, foot)))
        if len(body) == 1 and not quote and _cells(body[0]) + 2 + _cells(foot) <= inner_max:
            inner = max(inner, _cells(body[0]) + 2 + _cells(foot))
            body[0] = Text.assemble(body[0], " " * (inner - _cells(body[0]) - _cells(foot)), foot)
        else:
            body.append(_right(foot, inner))
        column = self.width - inner - 4 - MARGIN if own else MARGIN
        sections = [[*quote, *body], *([_centred(label, inner)] for label in labels)]
        return (
            self._coloured(column, sections, inner, OWN if own else INCOMING) if self.coloured else _boxed(column, sections, inner)
        )

    def _coloured(self, column: int, sections: Sequence[Sequence[Text]], inner: int, colour: str) -> Iterator[Text]:
        """A surface; half blocks soften its upper and lower edge."""
        indent, edge, fill = " " * column, Style(color=colour, bgcolor=NIGHT), Style(bgcolor=colour)
        yield Text.assemble(indent, ("▄" * (inner + 4), edge))
        for index, lines in enumerate(sections):
            if index:
                yield Text.assemble(indent, ("─" * (inner + 4), Style(color=LINE, bgcolor=colour)))
            for line in lines:
                filled = _padded(line, inner)
                filled.stylize_before(Style(color=INK, bgcolor=colour))
                yield Text.assemble(indent, ("  ", fill), filled, ("  ", fill))
        yield Text.assemble(indent, ("▀" * (inner + 4), edge))

    def _quote(self, quoted: Bubble | None, inner_max: int) -> list[Text]:
        """What an answer answers: its first line, beside a bar."""
        if quoted is None:
            return []
        line = set_cell_size(quoted.text.splitlines()[0], min(cell_len(quoted.text.splitlines()[0]), inner_max - 2))
        bar = "▎" if self.coloured else "│"
        return [Text.assemble((f"{bar} Tazco", f"bold {BLUE}")), Text.assemble((f"{bar} ", BLUE), (line, PALE))]

    def _wrapped(self, text: Text, width: int) -> list[Text]:
        return list(text.wrap(self.console, width)) or [Text()]

    def _chip(self, day: str) -> list[Text]:
        chip = Text(f" {day} ", Style(color=FAINT, bgcolor=BAR)) if self.coloured else Text(f"· {day} ·")
        return [Text.assemble(" " * ((self.width - _cells(chip)) // 2), chip), Text()]

    def _bar(self, text: Text, colour: str = BAR) -> Text:
        row = _padded(text, self.width)
        row.stylize_before(Style(color=INK, bgcolor=colour))
        return row


def _boxed(column: int, sections: Sequence[Sequence[Text]], inner: int) -> Iterator[Text]:
    indent = " " * column
    yield Text(f"{indent}╭{'─' * (inner + 2)}╮")
    for index, lines in enumerate(sections):
        if index:
            yield Text(f"{indent}├{'─' * (inner + 2)}┤")
        yield from (Text.assemble(f"{indent}│ ", _padded(line, inner), " │") for line in lines)
    yield Text(f"{indent}╰{'─' * (inner + 2)}╯")


def _body(bubble: Bubble) -> Text:
    text = Text(bubble.text)
    if bubble.sender is Sender.BUSINESS and bubble.kind is not Kind.TEMPLATE and bubble.text.startswith("["):
        text.stylize("bold", 0, len(bubble.text.splitlines()[0]))
    return text


def _foot(bubble: Bubble) -> Text:
    time = Text(f"{bubble.at.astimezone():%H:%M}", FAINT)
    if bubble.sender is Sender.BUSINESS:
        return time
    colour = {Tick.READ: BLUE, Tick.FAILED: RED}.get(bubble.tick, FAINT)
    return Text.assemble(time, " ", (TICKS[bubble.tick], colour))


def _label(each: Numbered) -> Text:
    if not each.open:
        return Text(f"↩ {each.button.title}", FAINT)
    return Text.assemble((f"↩ {each.button.title}", BLUE), "  ", (f"[{each.number}]", f"bold {INK}"))


def _day(bubble: Bubble) -> str:
    return f"{bubble.at.astimezone():%a %d %B %Y}"


def _cells(text: Text) -> int:
    return cell_len(text.plain)


def _padded(text: Text, width: int) -> Text:
    padded = Text.assemble(text)  # a style of its own becomes a span, which a surface below it does not cover
    padded.truncate(width)
    padded.append(" " * max(0, width - _cells(padded)))
    return padded


def _right(text: Text, width: int) -> Text:
    return Text.assemble(" " * (width - _cells(text)), text)


def _centred(text: Text, width: int) -> Text:
    return Text.assemble(" " * ((width - _cells(text)) // 2), text)
