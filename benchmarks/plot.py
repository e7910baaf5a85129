"""Line charts as SVG, readable on a light and on a dark page."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

WIDTH: Final = 680
HEIGHT: Final = 360
LEFT: Final = 64
RIGHT: Final = 24
TOP: Final = 44
BOTTOM: Final = 48
COLOURS: Final = ("#2f81f7", "#8b949e", "#d29922", "#bf4b8a")


@dataclass(frozen=True)
class Line:
    """A name and its points."""

    name: str
    points: Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Chart:
    """`xs` are the places on the horizontal axis, evenly spread; `top` is the end of the vertical one."""

    title: str
    x_name: str
    y_name: str
    xs: Sequence[float]
    top: float
    lines: Sequence[Line]

    def svg(self) -> str:
        parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" '
            f'font-size="12" role="img" aria-label="{self.title}">',
            # A card of its own, because the page around it may be dark.
            f'<rect width="{WIDTH}" height="{HEIGHT}" rx="6" fill="#ffffff"/>',
            _text(WIDTH / 2, 20, self.title, "middle", "#1f2328", bold=True),
            _text(WIDTH / 2, HEIGHT - 10, self.x_name, "middle", "#59636e"),
            _text(LEFT, TOP - 10, self.y_name, "start", "#59636e"),
        ]
        for step in range(5):
            value = self.top * step / 4
            y = self._y(value)
            parts.append(f'<path d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}" stroke="#d1d9e0"/>')
            parts.append(_text(LEFT - 8, y + 4, f"{value:g}", "end", "#59636e"))
        parts += [_text(self._x(x), HEIGHT - BOTTOM + 18, f"{x:,g}", "middle", "#59636e") for x in self.xs]
        for number, line in enumerate(self.lines):
            colour = COLOURS[number]
            places = [(self._x(x), self._y(min(y, self.top))) for x, y in line.points]
            path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in places)
            parts.append(f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
            parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in places]
            parts.append(_text(WIDTH - RIGHT - 4, TOP + 16 * number + 6, line.name, "end", colour, bold=True))
        return "\n".join([*parts, "</svg>", ""])

    def _x(self, x: float) -> float:
        place = list(self.xs).index(x)
        return LEFT + 20 + place * (WIDTH - LEFT - RIGHT - 40) / (len(self.xs) - 1)

    def _y(self, y: float) -> float:
        return HEIGHT - BOTTOM - y / self.top * (HEIGHT - TOP - BOTTOM)


def _text(x: float, y: float, text: str, anchor: str, colour: str, *, bold: bool = False) -> str:
    weight = ' font-weight="600"' if bold else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}"{weight}>{text}</text>'
