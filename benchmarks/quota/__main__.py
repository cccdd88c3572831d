"""How much of a provider's limits is used, and how often they are met, beside other clients.

Run as `make bench-quota`. Provider, server and who asks are processes on one machine, and share its cores. A scenario
of a minute lasts `--seconds`; one that takes less than that is repeated, and its figures are medians.
"""

from __future__ import annotations

import argparse

import uvloop
from quota.beside import CONTENDERS, beside
from quota.in_process import IN_PROCESS
from quota.scenarios import SCENARIOS, played
from quota.stage import Row, flags, stage

WORKERS = "over-2-workers"
BESIDE = "beside"


def main() -> None:
    """Play, print each scenario's rows as they come."""
    names = [*SCENARIOS, WORKERS, *IN_PROCESS, BESIDE]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", choices=names, help="A scenario; may be said several times.")
    parser.add_argument("--seconds", type=float, default=60.0, help="How long a scenario of a minute lasts.")
    parser.add_argument("--client", action="append", choices=list(CONTENDERS), help="Who is asked in `beside`.")
    given = parser.parse_args()
    print(f"{'scenario':28}{'what':48}{'measured':32}target", flush=True)
    for name in given.only or names:
        if name in IN_PROCESS:
            show(uvloop.run(IN_PROCESS[name](given.seconds)))
        elif name == WORKERS and "--workers" not in flags():
            show([Row(name, "not measured, since the server has no flag", "--workers")])
        elif name == WORKERS:
            with stage(given.seconds, "--workers=2") as two:
                show(uvloop.run(played("over-requests", two)), prefix="2 workers: ")
        else:
            with stage(given.seconds) as one:
                playing = beside(one, given.client or list(CONTENDERS)) if name == BESIDE else played(name, one)
                show(uvloop.run(playing))


def show(rows: list[Row], prefix: str = "") -> None:
    """One line for each."""
    for row in rows:
        met = {True: "met", False: "MISSED", None: ""}[row.met]
        print(f"{prefix + row.scenario:28}{row.what:48}{row.measured:32}{row.target:10}{met}".rstrip(), flush=True)


if __name__ == "__main__":
    main()
