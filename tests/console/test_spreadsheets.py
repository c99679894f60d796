"""CSV that no spreadsheet program takes for formulas, written while it is read."""

import csv
import io
from collections.abc import AsyncIterator
from decimal import Decimal

import pytest

from tazco.console.frame.spreadsheets import BYTE_ORDER_MARK, PIECE_ROWS, Cell, download, harmless, written


@pytest.mark.parametrize(
    "text",
    [
        '=HYPERLINK("http://x")',
        "+1",
        "-1+1",
        "@SUM(A1)",
        "\t=1",
        "\tx",
        "\rx",
        "\nx",
        "  =1",
        "\u00a0=1",
        "\u200b\u202e=1",
        "\ufeff@x",
        "＝1",  # noqa: RUF001  # the wide form is what is tested
        "\x00=1",
    ],
)
def test_what_a_spreadsheet_would_compute_stands_behind_an_apostrophe(text: str) -> None:
    assert harmless(text) == f"'{text}"


@pytest.mark.parametrize("text", ["", "Shop", "a=b", "3-4", "  Shop", "'=1", "Ünïcode", '"quoted"'])
def test_other_texts_stay_as_they_are(text: str) -> None:
    assert harmless(text) == text


@pytest.mark.parametrize("text", ["Shop;=1+1;", ";=HYPERLINK(A1);x", "a; @x", 'b;"=1'])
def test_nor_is_it_computed_where_spreadsheets_split_at_semicolons(text: str) -> None:
    cells = harmless(text).split(";")
    assert not any(cell.lstrip(' "').startswith(("=", "@")) for cell in cells)
    assert harmless(text).replace("'", "") == text


async def _rows(*rows: tuple[Cell, ...]) -> AsyncIterator[tuple[Cell, ...]]:
    for row in rows:
        yield row


async def test_texts_are_quoted_and_numbers_are_numbers() -> None:
    rows = _rows(('say "hi", =1\n', Decimal("-1200.50"), -20, None, "=1"))
    text = b"".join([piece async for piece in written(("a", "b"), rows)]).decode()
    assert text == BYTE_ORDER_MARK + '"a","b"\r\n' + '"say ""hi"", =1\n",-1200.50,-20,"","\'=1"\r\n'


async def test_what_is_written_parses_back() -> None:
    texts = ('a"b', "c,d", "e\r\nf", "😀 ação", "\u202egnp.exe")
    text = b"".join([piece async for piece in written(("x",) * len(texts), _rows(texts))]).decode("utf-8-sig")
    assert list(csv.reader(io.StringIO(text, newline="")))[1] == list(texts)


async def test_a_piece_leaves_before_the_next_rows_are_read() -> None:
    read = 0

    async def endless() -> AsyncIterator[tuple[Cell, ...]]:
        nonlocal read
        while True:
            read += 1
            yield (read,)

    pieces = written(("n",), endless())
    sizes = [len((await anext(pieces)).splitlines()) for _ in range(3)]
    assert sizes == [PIECE_ROWS + 1, PIECE_ROWS, PIECE_ROWS]
    assert read == 3 * PIECE_ROWS


@pytest.mark.parametrize("name", ["a/b\r\nSet-Cookie: x.csv", 'x";y.csv', "ação.csv", "x" * 500 + ".csv"])
def test_the_name_of_a_file_is_plain(name: str) -> None:
    header = download(name, ("a",), _rows()).headers["content-disposition"]
    assert header.startswith('attachment; filename="')
    assert header.endswith('.csv"')
    assert header[22:-1].replace(".", "").replace("_", "").replace("-", "").isalnum()
    assert len(header) < 120
