"""Spreadsheets: rows as CSV, written in pieces while they are read, in which no text is ever mistaken for a formula."""

import csv
import io
import re
import unicodedata
from collections.abc import AsyncIterator, Sequence
from decimal import Decimal
from itertools import dropwhile
from typing import Final

from starlette.responses import Response, StreamingResponse

PIECE_ROWS: Final = 500
BYTE_ORDER_MARK: Final = "\ufeff"
"""Without it Excel takes UTF-8 for the code page of the country."""

STARTERS: Final = frozenset("=+-@＝＋－＠")  # noqa: RUF001  # the wide forms start formulas too
BREAKERS: Final = frozenset("\t\r\n")
UNSEEN: Final = ("Z", "C")
"""Unicode's categories of blanks and of controls: programs drop them from the beginning of a cell."""

WITHIN: Final = re.compile(r"(;[\"\s]*)(?=[=+\-@＝＋－＠])")  # noqa: RUF001  # as above

NAME_CHARACTERS_MAX: Final = 80
Cell = str | int | Decimal | None


def harmless(text: str) -> str:
    """The text, with an apostrophe before what a spreadsheet would compute: `=1+1`, `  @x`, and whatever begins with a tab or a line's end.

    Also behind each semicolon within it: where commas are decimal, spreadsheets split there, in the middle of what is quoted.
    """
    first = next(dropwhile(lambda character: unicodedata.category(character)[0] in UNSEEN, text), "")
    safe = f"'{text}" if text[:1] in BREAKERS or first in STARTERS else text
    return WITHIN.sub(r"\1'", safe)


async def written(header: Sequence[str], rows: AsyncIterator[Sequence[Cell]]) -> AsyncIterator[bytes]:
    """The lines in UTF-8, so many rows at a time; texts are quoted, numbers are not and have a dot."""
    lines = io.StringIO(newline="")
    lines.write(BYTE_ORDER_MARK)
    writer = csv.writer(lines, quoting=csv.QUOTE_NONNUMERIC)
    writer.writerow(header)
    held = 0
    async for row in rows:
        writer.writerow([harmless(cell) if isinstance(cell, str) else cell for cell in row])
        held += 1
        if held == PIECE_ROWS:
            yield lines.getvalue().encode("utf-8", "replace")
            lines.seek(0)
            lines.truncate()
            held = 0
    yield lines.getvalue().encode("utf-8", "replace")


def download(name: str, header: Sequence[str], rows: AsyncIterator[Sequence[Cell]]) -> Response:
    """A file to keep, called `name` as far as every system can write it."""
    plain = re.sub(r"[^A-Za-z0-9._-]", "_", name)[-NAME_CHARACTERS_MAX:]
    headers = {"Content-Disposition": f'attachment; filename="{plain}"', "Content-Security-Policy": "default-src 'none'; sandbox"}
    return StreamingResponse(written(header, rows), headers=headers, media_type="text/csv; charset=utf-8")
