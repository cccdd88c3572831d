"""Load on one gateway: by wrk where it is installed, else by Python, which is slower."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import shutil
import statistics
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import uvloop
from asking import Post, ask, numbers_for
from processes import REST, pinned

_SCRIPT = Path(__file__).with_name("asking.lua")


@dataclass(frozen=True)
class Answers:
    """What one run of load got: how many answers, of them failed, in how many seconds; percentiles in milliseconds."""

    requests: int
    failed: int
    seconds: float
    p50: float
    p99: float


Load = Callable[[Post, int, float], Answers]  # a request, connections, seconds


def by_wrk(post: Post, connections: int, seconds: float) -> Answers:
    """Load by wrk, in one thread."""
    headers = {"Content-Type": "application/json", **post.headers}
    with tempfile.NamedTemporaryFile() as body:
        Path(body.name).write_bytes(post.body)
        command = ["wrk", "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", "--timeout=20s", f"-s{_SCRIPT}"]
        command += [f"-H{name}: {value}" for name, value in headers.items()]
        command = pinned(REST, [*command, post.url])
        done = subprocess.run(
            command, env={**os.environ, "BODY": body.name}, capture_output=True, check=True, text=True
        )
    return Answers(**json.loads(done.stdout.splitlines()[-1]))


def by_python(post: Post, connections: int, seconds: float) -> Answers:
    """Load by Python, in this process; an answer that is not 200 ends the run."""
    try:
        took = sorted(uvloop.run(ask(post, connections, numbers_for(seconds))))
    except AssertionError:
        return Answers(0, 1, seconds, 0, 0)
    return Answers(len(took), 0, seconds, 1e3 * statistics.median(took), 1e3 * took[len(took) * 99 // 100])


def fastest() -> Load:
    """The faster of what this machine has."""
    return by_wrk if shutil.which("wrk") else by_python


async def hold(post: Post, streams: int, seconds: float, measure: Callable[[], int]) -> int | None:
    """What *measure* says while so many *streams* have begun and do not end; None when they do not begin in time."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    parts, asked = urlsplit(post.url), post.written()
    few = asyncio.Semaphore(64)

    async def begin() -> asyncio.StreamWriter:
        async with few:
            reader, writer = await asyncio.open_connection(parts.hostname, parts.port, limit=4096)
            writer.write(asked)
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200 "), head
            await reader.readuntil(b"data: ")
            return writer

    begun = [asyncio.create_task(begin()) for _ in range(streams)]
    try:
        async with asyncio.timeout(seconds):
            await asyncio.gather(*begun)
        await asyncio.sleep(1)  # what was needed only to begin is given back
        return measure()
    except (TimeoutError, OSError, EOFError, AssertionError):
        return None
    finally:
        for task in begun:
            task.cancel()
        for writer in await asyncio.gather(*begun, return_exceptions=True):
            if isinstance(writer, asyncio.StreamWriter):
                writer.close()
