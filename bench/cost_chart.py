"""A chart of bars in pairs, as SVG, legible on light and on dark."""

from collections.abc import Iterator, Sequence
from html import escape

WIDTH, LABEL, LINE, BAR, TOP = 760, 190, 58, 18, 44
STYLE = (
    "text{font:13px system-ui,sans-serif;fill:#1f2933}.a{fill:#9aa5b1}.b{fill:#2f6f4f}"
    "@media(prefers-color-scheme:dark){text{fill:#e4e7eb}.a{fill:#7b8794}.b{fill:#63b38a}}"
)


def chart(title: str, kinds: tuple[str, str], rows: Sequence[tuple[str, float, float]]) -> str:
    """One pair of bars a row, to one scale."""
    height = TOP + LINE * len(rows)
    begin = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(title)}">'
    return (
        "\n".join([begin, f"<title>{escape(title)}</title>", f"<style>{STYLE}</style>", *_legend(kinds), *_bars(rows), "</svg>"])
        + "\n"
    )


def _legend(kinds: tuple[str, str]) -> Iterator[str]:
    for name, kind, x in (("a", kinds[0], LABEL), ("b", kinds[1], LABEL + 260)):
        yield f'<rect class="{name}" x="{x}" y="8" width="14" height="14" rx="2"/><text x="{x + 20}" y="20">{escape(kind)}</text>'


def _bars(rows: Sequence[tuple[str, float, float]]) -> Iterator[str]:
    most = max(value for _, *pair in rows for value in pair)
    for number, (label, *pair) in enumerate(rows):
        y = TOP + LINE * number
        yield f'<text x="{LABEL - 10}" y="{y + 24}" text-anchor="end">{escape(label)}</text>'
        for name, value, shift in zip("ab", pair, (0, BAR + 2), strict=True):
            length = round(value / most * (WIDTH - LABEL - 70), 1)
            yield f'<rect class="{name}" x="{LABEL}" y="{y + shift}" width="{length}" height="{BAR}" rx="2"/>'
            yield f'<text x="{LABEL + length + 6:g}" y="{y + shift + 14}">${value:.2f}</text>'
