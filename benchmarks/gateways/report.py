"""What was measured as tables and a plot, between the markers of a document."""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
from collections.abc import Callable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from processes import here
from works import CHAT, COMPLETION, HELD, OPENAI

from gateways.peers import VARIANTS, Gateway

Row = Mapping[str, Any]
Rows = Sequence[Row]
OURS = "inferpoint"
WORKS = [COMPLETION.name, *(work.name for work in OPENAI)]
_BEGIN, _END = "<!-- gateways: written by `make bench` -->\n", "<!-- /gateways -->"
NOTHING = "–"  # noqa: RUF001 - a dash, as tables have it
_COLORS = ("#1f6feb", "#57606a", "#bf3989", "#1a7f37", "#9a6700", "#8250df")


def machine(options: argparse.Namespace, before: Sequence[float]) -> str:
    """Machine, hour, load, tools and command, in two sentences."""
    tools = "the provider's double and the load in Python" if options.python else _tools()
    return (
        f"{here()}; {tools}. Load average {before[0]:.1f} at first, {os.getloadavg()[0]:.1f} "
        f'at the end. `make bench SECONDS={options.seconds:g} ROUNDS={options.rounds} PEERS="{options.peers}"`.'
    )


def _tools() -> str:
    load = "the load in Python, as wrk is not installed"
    if shutil.which("wrk"):
        told = subprocess.run(["wrk", "-v"], capture_output=True, check=False, text=True).stdout
        load = " ".join(told.split()[:2])
    return f"{load}; the provider's double in {'C' if shutil.which('cc') else 'Python, as there is no compiler'}"


def median(rows: Rows, gateway: str, work: str, value: Callable[[Row], float | None], connections: int | None) -> float:
    """The middle of a gateway's runs of one kind that got an answer; 0 without any, or when an answer was a failure."""
    chosen = [row for row in rows if (row["gateway"], row["work"]) == (gateway, work) and row.get("requests") != 0]
    if connections is not None:
        chosen = [row for row in chosen if row["connections"] == connections]
    values = [value(row) for row in chosen]
    known = [number for number in values if number is not None]
    failed = any(row.get("failed") for row in chosen)
    return statistics.median(known) if known and not failed else 0.0


def per_second(row: Row) -> float | None:
    """Requests a second of a processor."""
    return row["requests"] / row["processor"] if row["processor"] > 0 else None


def speed(rows: Rows, gateway: str, work: str) -> float:
    return median(rows, gateway, work, per_second, 64)


def number(value: float, digits: int = 0) -> str:
    """A number for a table, in which nothing measured is a dash."""
    return f"{value:,.{digits}f}" if value else NOTHING


def table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    ends = [f"| {' | '.join(line)} |" for line in lines]
    return "\n".join([f"| {' | '.join(head)} |", f"|---{'|--:' * (len(head) - 1)}|", *ends]) + "\n"


def speeds(rows: Rows, names: Sequence[str]) -> str:
    """Requests a second of a processor, and of a chat also how our variants do."""
    lines = [[work, *(number(speed(rows, name, work)) for name in names)] for work in WORKS]
    for variant in VARIANTS.values():
        lines.append([f"{CHAT.name}, {variant}", number(speed(rows, variant, CHAT.name))])
        lines[-1] += [NOTHING] * (len(names) - 1)
    return table(["requests per CPU-second", *names], lines)


def latencies(rows: Rows, names: Sequence[str]) -> str:
    """The middle and the slow end of what callers wait, in milliseconds."""

    def cell(name: str, work: str, connections: int) -> str:
        p50, p99 = (median(rows, name, work, lambda row, key=key: row[key], connections) for key in ("p50", "p99"))
        return f"{number(p50, 2)} / {number(p99, 2)}"

    lines = [[work, *(cell(name, work, 64) for name in names)] for work in WORKS]
    lines.append([f"{CHAT.name}, one connection", *(cell(name, CHAT.name, 1) for name in names)])
    return table(["p50 / p99, ms", *names], lines)


def costs(rows: Rows, names: Sequence[str]) -> str:
    """What a gateway adds, holds, and takes to start."""
    direct = median(rows, "direct", CHAT.name, lambda row: row["p50"], 1)

    def line(name: str) -> list[str]:
        def of(work: str, key: str, connections: int | None = None) -> float:
            return median(rows, name, work, lambda row: row.get(key), connections)

        added = of(CHAT.name, "p50", 1) - direct
        values = (added, 3), (of("start", "bytes") / 1e6, 0), (of(f"first {CHAT.name}", "bytes") / 1e6, 0)
        more = (of(HELD.name, "bytes") / 1e3, 1), (of("start", "processor"), 2), (of("start", "wall"), 2)
        return [name, *(number(value, digits) for value, digits in (*values, *more))]

    head = ["", "added p50 at one connection, ms", "idle, MB", "after chats over 64 connections, MB"]
    head += ["each held stream, kB", "start to the first 200, CPU-s", "the same, s"]
    return table(head, [line(name) for name in names])


def text(gateways: Sequence[Gateway], rows: Rows, words: str) -> str:
    """All that stands between the markers."""
    names = [gateway.name for gateway in gateways if len(gateway.works) > 1]
    versions = ", ".join(f"{gateway.name} {gateway.version}" for gateway in gateways if gateway.name in names)
    few = "".join(
        f" {gateway.name} is asked over {gateway.connections} connections where others are over 64."
        for gateway in gateways
        if gateway.name in names and gateway.connections < 64
    )
    pair = speed(rows, VARIANTS["workers"], CHAT.name), speed(rows, OURS, CHAT.name)
    ratio = f"Two workers ÷ one, a CPU-second: {number(pair[0] / pair[1] if pair[1] else 0, 2)}. "
    imports = median(rows, OURS, "import", lambda row: row["wall"], None)
    return (
        f"{words} {versions}.{few}\n\n![Requests per CPU-second of each gateway](performance.svg)\n\n"
        f"{speeds(rows, names)}\n{ratio}`import inferpoint` takes {number(imports, 3)} s. A dash: not measured, or "
        f"not all answered with 200.\n\n{latencies(rows, names)}\n{costs(rows, names)}"
    )


def plot(rows: Rows, names: Sequence[str]) -> str:
    """Bars of requests a second of a processor, each kind of request on a scale of its own."""
    parts: list[str] = []
    top = 10
    for work in WORKS[1:]:
        values = [speed(rows, name, work) for name in names]
        parts.append(f'<text x="10" y="{top + 12}" font-weight="bold">{escape(work)}</text>')
        top += 20
        for place, (name, value) in enumerate(zip(names, values, strict=True)):
            length = 420 * value / max(*values, 1e-9)
            color = _COLORS[place % len(_COLORS)]
            parts.append(f'<text x="100" y="{top + 11}" text-anchor="end">{escape(name)}</text>')
            parts.append(f'<rect x="108" y="{top}" width="{length:.1f}" height="14" fill="{color}"/>')
            parts.append(f'<text x="{length + 114:.1f}" y="{top + 11}">{number(value)}</text>')
            top += 18
        top += 10
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 620 {top}" font-family="sans-serif" font-size="12">'
    ground = f'<rect width="620" height="{top}" fill="#ffffff"/>'
    return "\n".join([head, "<title>Requests per CPU-second</title>", ground, *parts, "</svg>"]) + "\n"


def write(document: Path, gateways: Sequence[Gateway], rows: Rows, words: str) -> None:
    """The tables into the *document*, and the plot beside it."""
    before, rest = document.read_text("utf-8").split(_BEGIN)
    after = rest.split(_END)[1]
    document.write_text(f"{before}{_BEGIN}{text(gateways, rows, words)}{_END}{after}", "utf-8")
    names = [gateway.name for gateway in gateways if len(gateway.works) > 1]
    document.with_suffix(".svg").write_text(plot(rows, names), "utf-8")
