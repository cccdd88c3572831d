"""Measure our server beside other gateways, and write tables and plot of docs/performance.md anew: `make bench`.

The main number is requests per second of a processor, of all processes of a gateway together, in themselves and in the
system for them: a busy machine moves it far less than it moves requests a second. Gateways are kept to one core, who
asks and who answers to the others; all run at once, take turns in each round, and the medians of the rounds count.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import uvloop
from processes import GATEWAY, REST, address_in, pinned, processor_seconds, resident_bytes, running
from works import CHAT, COMPLETION, HELD, OPENAI, Work

from gateways import load, peers, report
from gateways.peers import PEERS, ROOT, Gateway

BUILD = ROOT / "build/bench"
DOCUMENT = ROOT / "docs/performance.md"
_START, _BEGIN, _SETTLE = 120.0, 60.0, 10.0  # the longest, in seconds: to the first 200, for all streams, to be idle
_DOUBLE = Path(__file__).parents[1] / "provider"

Row = dict[str, Any]


@dataclass(frozen=True)
class Running:
    """A gateway that answers, and the number of its process, 0 when it is the provider itself."""

    gateway: Gateway
    url: str
    pid: int


def double(*, in_python: bool) -> list[str]:
    """The provider's double: in C where there is a compiler."""
    if in_python or not shutil.which("cc"):
        return [sys.executable, str(_DOUBLE.with_suffix(".py"))]
    BUILD.mkdir(parents=True, exist_ok=True)
    subprocess.run(["cc", "-O2", "-o", str(BUILD / "provider"), str(_DOUBLE.with_suffix(".c"))], check=True)
    return [str(BUILD / "provider")]


@contextmanager
def serving(gateway: Gateway, folder: Path, provider: str) -> Iterator[Running]:
    """A *gateway* that has answered its first chat."""
    if not gateway.command:
        yield Running(gateway, provider, 0)
        return
    log = folder / f"{gateway.name}.log"
    with running(pinned(GATEWAY, gateway.command), log, gateway.environ) as process:
        url = gateway.url or address_in(log, process)
        post = gateway.post(CHAT, url)
        until = time.monotonic() + _START
        while True:
            try:
                with urlopen(Request(post.url, post.body, {"Content-Type": "application/json", **post.headers})):
                    break
            except OSError as error:
                if process.poll() is not None or time.monotonic() > until:
                    sys.exit(f"{gateway.name} does not start: {error}\n{log.read_text()[-4000:]}")
                time.sleep(0.01)
        yield Running(gateway, url, process.pid)


def start(gateway: Gateway, folder: Path, provider: str) -> Row:
    """What a start costs to the first 200, and what is held after a second of rest."""
    began = time.perf_counter()
    with serving(gateway, folder, provider) as at:
        row = {"wall": time.perf_counter() - began, "processor": processor_seconds(at.pid)}
        time.sleep(1)
        return {"gateway": gateway.name, "work": "start", **row, "bytes": resident_bytes(at.pid)}


def settle(pid: int) -> None:
    """Wait until a gateway has done with what was asked of it and is no longer waited for."""
    until = time.monotonic() + _SETTLE
    before, now = -1.0, processor_seconds(pid)
    while now - before > 0.02 and time.monotonic() < until:
        time.sleep(0.1)
        before, now = now, processor_seconds(pid)


def run(at: Running, work: Work, connections: int, seconds: float, by: load.Load) -> Row:
    """One kind of request for some seconds."""
    began = processor_seconds(at.pid) if at.pid else 0.0
    answers = by(at.gateway.post(work, at.url), min(connections, at.gateway.connections), seconds)
    row: Row = {"gateway": at.gateway.name, "work": work.name, "connections": connections, **vars(answers)}
    if at.pid:
        row |= {"processor": processor_seconds(at.pid) - began, "bytes": resident_bytes(at.pid)}
        settle(at.pid)
    return row


def held(at: Running, streams: int) -> Row:
    """What a gateway holds more while so many streams are open."""
    before = resident_bytes(at.pid)
    post = at.gateway.post(HELD, at.url)
    after = uvloop.run(load.hold(post, streams, _BEGIN, lambda: resident_bytes(at.pid)))
    size = None if after is None else (after - before) / streams
    return {"gateway": at.gateway.name, "work": HELD.name, "bytes": size}


def rows(gateways: Sequence[Gateway], folder: Path, provider: str, options: argparse.Namespace) -> Iterator[Row]:
    """All that is measured, one run after the other."""
    by = load.by_python if options.python else load.fastest()
    wanted = [work for work in (*OPENAI, COMPLETION) if options.work in work.name]
    for _ in range(options.rounds):
        for gateway in gateways:
            if gateway.command:
                yield start(gateway, folder, provider)
    with ExitStack() as stack:
        all_ = [stack.enter_context(serving(gateway, folder, provider)) for gateway in gateways]
        for work, at in asked(wanted, all_):
            yield {**run(at, work, 64, min(1.0, options.seconds), by), "work": f"first {work.name}"}
        for _ in range(options.rounds):
            for connections, works in ((1, [CHAT]), (64, wanted)):
                for work, at in asked(works, all_):
                    yield run(at, work, connections, options.seconds, by)
        for at in all_:
            if len(at.gateway.works) > 1 and at.pid and options.streams:
                yield held(at, options.streams)


def asked(works: Sequence[Work], gateways: Sequence[Running]) -> Iterator[tuple[Work, Running]]:
    """Each kind of request with each gateway that is asked for it, which so take turns."""
    return ((work, at) for work in works for at in gateways if work in at.gateway.works)


def imported() -> Row:
    """What `import inferpoint` takes."""
    code = "import time; began = time.perf_counter(); import inferpoint; print(time.perf_counter() - began)"
    command = pinned(GATEWAY, [sys.executable, "-c", code])
    seconds = float(subprocess.run(command, capture_output=True, check=True, text=True).stdout)
    return {"gateway": "inferpoint", "work": "import", "wall": seconds}


def measured(options: argparse.Namespace) -> tuple[list[Gateway], list[Row]]:
    """The gateways that were measured, and what was."""
    done: list[Row] = []
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        log = folder / "double.log"
        provider = address_in(log, stack.enter_context(running(pinned(REST, double(in_python=options.python)), log)))
        secure = ""
        if shutil.which("nginx") and shutil.which("openssl"):
            front = peers.nginx(folder / "tls", provider, tls=True)
            stack.enter_context(running(pinned(REST, front.command), folder / "tls.log"))
            secure = front.url
        gateways = [Gateway("direct", works=(CHAT,)), *peers.ours_and_variants(folder, provider, secure)]
        for peer in options.peers.split():
            if lack := peers.missing(peer):
                print(f"without {peer}: {lack}")
            else:
                gateways.append(PEERS[peer](folder / peer, provider))
        for row in (*(imported() for _ in range(options.rounds)), *rows(gateways, folder, provider, options)):
            print(json.dumps(row), flush=True)
            done.append(row)
    return gateways, done


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", default=" ".join(PEERS), help="Which other gateways, apart by spaces.")
    parser.add_argument("--work", default="", help="Only kinds of requests with this in their names.")
    parser.add_argument("--seconds", type=float, default=2.0, help="How long one run lasts.")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--streams", type=int, default=5000, help="How many are held open; 0 for none.")
    parser.add_argument("--python", action="store_true", help="As on a machine without compiler and wrk.")
    parser.add_argument("--rows", type=Path, default=BUILD / "gateways.json", help="Where every run is kept.")
    parser.add_argument("--document", type=Path, default=DOCUMENT, help="Where the tables go; the plot beside it.")
    options = parser.parse_args()
    began = os.getloadavg()
    gateways, done = measured(options)
    options.rows.parent.mkdir(parents=True, exist_ok=True)
    options.rows.write_text(json.dumps(done, indent=1) + "\n", "utf-8")
    report.write(options.document, gateways, done, report.machine(options, began))


if __name__ == "__main__":
    main()
