"""How much of a provider's limits is used, and how often they are met, beside other clients.

Run as `make bench-quota`. Provider, server and who asks are processes on one machine, and share its cores. A scenario
of a minute lasts `--seconds`; one that takes less than that is repeated, and its figures are medians.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Awaitable, Callable
from dataclasses import asdict, replace
from pathlib import Path

import uvloop
from quota.beside import beside
from quota.disturbed import lanes, storm_429, storm_503
from quota.in_process import IN_PROCESS
from quota.scenarios import cache, merge, over_requests, over_tokens, pack
from quota.stage import Row, Stage, UnknownError, flags, stage

SCENARIOS: dict[str, Callable[[Stage], Awaitable[list[Row]]]] = {
    "over-requests": over_requests,
    "over-tokens": over_tokens,
    "merge": merge,
    "pack": pack,
    "lanes": lanes,
    "storm-429": storm_429,
    "storm-503": storm_503,
    "cache": cache,
    "beside": beside,
}
WORKERS = "over-2-workers"


def main() -> None:
    """Play, and print each scenario's rows as they come."""
    names = [*SCENARIOS, WORKERS, *IN_PROCESS]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", choices=names, help="A scenario; may be said several times.")
    parser.add_argument("--seconds", type=float, default=60.0, help="How long a scenario of a minute lasts.")
    parser.add_argument("--times", type=int, default=5, help="How often a short scenario is repeated.")
    parser.add_argument("--output", type=Path, help="A file to write the rows to, as JSON.")
    given = parser.parse_args()
    print(f"{'scenario':32}{'what':48}{'measured':32}target", flush=True)
    rows: list[Row] = []
    for name in given.only or names:
        found = played(name, given.seconds, given.times)
        rows += found
        show(found)
    if given.output is not None:
        given.output.write_text(json.dumps([asdict(row) for row in rows], indent=1))


def played(name: str, seconds: float, times: int) -> list[Row]:
    """The rows of a scenario, or one that says why it cannot be played."""
    if name in IN_PROCESS:
        return uvloop.run(IN_PROCESS[name](seconds))
    more = ["--workers=2"] if name == WORKERS else []
    if more and "--workers" not in flags():
        return [Row(name, "not measured, since the server has no flag", "--workers")]
    with stage(seconds, times, *more) as on:
        try:
            rows = uvloop.run(SCENARIOS.get(name, over_requests)(on))
        except UnknownError as reason:
            return [Row(name, "not measured, since the server says", str(reason))]
    return [replace(row, scenario=name) for row in rows] if more else rows


def show(rows: list[Row]) -> None:
    """One line for each."""
    for row in rows:
        met = {True: "met", False: "MISSED", None: ""}[row.met]
        print(f"{row.scenario:32}{row.what:48}{row.measured:32}{row.target:12}{met}".rstrip(), flush=True)


if __name__ == "__main__":
    main()
