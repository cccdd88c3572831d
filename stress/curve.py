"""What was measured over time, as a picture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

_WIDTH, _HEIGHT, _LEFT, _TOP = 560, 200, 50, 30
_STEPS = 5
_ROUND = 5 * _STEPS


def curve(title: str, unit: str, points: Sequence[tuple[float, float]]) -> str:
    """An SVG of *points*: minutes, and what there was of the *unit*, from nothing up."""
    last = max(minutes for minutes, _ in points)
    most = _ROUND * math.ceil(max(value for _, value in points) / _ROUND)
    line = " ".join(
        f"{_LEFT + _WIDTH * minutes / last:.1f},{_TOP + _HEIGHT * (1 - value / most):.1f}" for minutes, value in points
    )
    parts = [f'<text x="{_LEFT}" y="18" font-weight="bold">{escape(title)}</text>']
    for step in range(_STEPS + 1):
        x, y = _LEFT + _WIDTH * step / _STEPS, _TOP + _HEIGHT * (1 - step / _STEPS)
        parts.append(f'<line x1="{_LEFT}" y1="{y:.0f}" x2="{_LEFT + _WIDTH}" y2="{y:.0f}" stroke="#dddddd"/>')
        parts.append(f'<text x="{_LEFT - 6}" y="{y + 4:.0f}" text-anchor="end">{most * step / _STEPS:.0f}</text>')
        under = _TOP + _HEIGHT + 18
        parts.append(f'<text x="{x:.0f}" y="{under}" text-anchor="middle">{last * step / _STEPS:.0f}</text>')
    parts.append(f'<polyline points="{line}" fill="none" stroke="#1f6feb" stroke-width="1.5"/>')
    parts.append(f'<text x="{_LEFT + _WIDTH + 8}" y="{_TOP + 4}">{escape(unit)}</text>')
    parts.append(f'<text x="{_LEFT + _WIDTH + 14}" y="{_TOP + _HEIGHT + 18}">minutes</text>')
    size = f"{_LEFT + _WIDTH + 70} {_TOP + _HEIGHT + 30}"
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size}" font-family="sans-serif" font-size="12">'
    return "\n".join([head, '<rect width="100%" height="100%" fill="#ffffff"/>', *parts, "</svg>"]) + "\n"
