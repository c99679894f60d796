"""Keys of a terminal, one at a time: the line that is being written, and the commands that end or scroll."""

import codecs
import contextlib
import re
import sys
import termios
import tty
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Final

LINE_CHARACTERS_MAX: Final = 4096
ESCAPE: Final = re.compile(r"\x1b(?:\[[0-9;]*[A-Za-z~]|O[A-Za-z]|.)?", re.DOTALL)


class Key(Enum):
    """A key that is no text."""

    ENTER = auto()
    LEAVE = auto()
    UP = auto()
    DOWN = auto()
    PAGE_UP = auto()
    PAGE_DOWN = auto()


NAMED: Final = {
    "\r": Key.ENTER,
    "\n": Key.ENTER,
    "\x03": Key.LEAVE,
    "\x1b[A": Key.UP,
    "\x1bOA": Key.UP,
    "\x1b[B": Key.DOWN,
    "\x1bOB": Key.DOWN,
    "\x1b[5~": Key.PAGE_UP,
    "\x1b[6~": Key.PAGE_DOWN,
}


@dataclass(slots=True)
class Line:
    """The line that is being written."""

    text: str = ""
    _decoder: codecs.IncrementalDecoder = field(default_factory=lambda: codecs.getincrementaldecoder("utf-8")("replace"))

    def feed(self, raw: bytes) -> Iterator[Key]:
        """Take what was typed; text goes into the line, other keys come out, each with the line as it was then."""
        typed = self._decoder.decode(raw)
        while typed:
            escape = ESCAPE.match(typed)
            one = escape.group() if escape else typed[0]
            typed = typed[len(one) :]
            if one in NAMED:
                yield NAMED[one]
            elif one == "\x04":
                if not self.text:
                    yield Key.LEAVE
            elif one in "\x7f\x08":
                self.text = self.text[:-1]
            elif one == "\x15":
                self.text = ""
            elif one.isprintable() and len(self.text) < LINE_CHARACTERS_MAX:
                self.text += one

    def taken(self) -> str:
        """The line, which is empty afterwards."""
        text, self.text = self.text.strip(), ""
        return text


@contextlib.contextmanager
def keys_one_by_one() -> Iterator[int]:
    """Let the terminal give every key at once, unseen; the file descriptor to read from. Afterwards it is as it was."""
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    try:
        tty.setcbreak(descriptor)
        yield descriptor
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
