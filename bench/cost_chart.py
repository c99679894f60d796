"""The chart of the cost page: one bar for each command, in the colours of what takes the money."""

from collections.abc import Iterator, Sequence
from html import escape

WIDTH, LEFT, TOP, ROW, BAR = 860, 250, 60, 26, 16
COLOURS = {"commit": "#2563eb", "relay": "#0891b2", "bus": "#a16207", "queues": "#9333ea", "worker": "#be185d"}
STYLE = (
    "text{font:13px system-ui,sans-serif;fill:#1f2937}.bg{fill:#fff}"
    "@media (prefers-color-scheme: dark){text{fill:#e5e7eb}.bg{fill:#111827}}"
)

Bar = tuple[str, Sequence[float]]
"""A name, and dollars in the order of `COLOURS`."""


def chart(bars: Sequence[Bar]) -> str:
    """Stacked bars as SVG, dearest first."""
    ordered = sorted(bars, key=lambda bar: -sum(bar[1]))
    height = TOP + ROW * len(ordered) + 14
    widest = max(sum(parts) for _, parts in ordered)
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" aria-label="Dollars for a million of each command">',
            f"<style>{STYLE}</style>",
            f'<rect class="bg" width="{WIDTH}" height="{height}" rx="6"/>',
            *_legend(),
            *(line for number, bar in enumerate(ordered) for line in _bar(bar, TOP + ROW * number, (WIDTH - LEFT - 70) / widest)),
            "</svg>",
        ]
    )


def _legend() -> Iterator[str]:
    yield '<text x="16" y="30" font-weight="600">$ for a million</text>'
    for number, (name, colour) in enumerate(COLOURS.items()):
        x = LEFT + number * 100
        yield f'<rect x="{x}" y="20" width="12" height="12" rx="2" fill="{colour}"/><text x="{x + 18}" y="31">{name}</text>'


def _bar(bar: Bar, y: int, scale: float) -> Iterator[str]:
    name, parts = bar
    yield f'<text x="{LEFT - 12}" y="{y + 13}" text-anchor="end">{escape(name)}</text>'
    x = float(LEFT)
    for dollars, colour in zip(parts, COLOURS.values(), strict=True):
        if dollars:
            yield f'<rect x="{x:.1f}" y="{y}" width="{dollars * scale:.1f}" height="{BAR}" fill="{colour}"/>'
        x += dollars * scale
    yield f'<text x="{x + 8:.1f}" y="{y + 13}">{sum(parts):.2f}</text>'
