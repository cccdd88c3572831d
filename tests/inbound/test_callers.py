"""The HTTP server against clients that others have written."""

from __future__ import annotations

import asyncio
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest
import uvloop
from echoing import LARGE, echo
from torture_server import served

BODY = bytes(range(256)) * 8000  # so large that curl waits to be asked for it


def has(program: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(shutil.which(program) is None, reason=f"{program} is not installed")


async def run(*command: str, given: bytes = b"") -> str:
    """What a program writes, which must end well."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, stderr=pipe)
    told, errors = await asyncio.wait_for(process.communicate(given), 60)
    assert process.returncode == 0, errors
    return told.decode("latin-1")


GET = echo("GET", "/a", "b=c", b"")
CURLED: dict[str, tuple[Sequence[str], bytes, bytes]] = {
    "get": ([], b"", GET),
    "HTTP/1.0": (["--http1.0"], b"", GET),
    "the last": (["-H", "Connection: close"], b"", GET),
    "an upgrade": (["-H", "Connection: Upgrade", "-H", "Upgrade: h2c"], b"", GET),
    "a large body": (["--data-binary", "@-"], BODY, echo("POST", "/a", "b=c", BODY)),
    "chunks": (["-T", "-"], BODY, echo("PUT", "/a", "b=c", BODY)),
    "an empty body": (["--data-binary", ""], b"", echo("POST", "/a", "b=c", b"")),
}


@has("curl")
@pytest.mark.parametrize("name", CURLED)
def test_curl_is_answered(name: str) -> None:
    """Twice on one connection, where it may be kept."""
    options, given, right = CURLED[name]

    async def main() -> None:
        async with served(10) as (_, port):
            url = f"http://127.0.0.1:{port}/a?b=c"
            once = name in ("a large body", "chunks")  # what comes from a pipe is there once
            urls = [url] if once else [url, url]
            told = await run("curl", "-sS", "-w", "|%{http_code} %{num_connects}|", *options, *urls, given=given)
            again = 1 if name in ("HTTP/1.0", "the last") else 0
            answers = [f"{right.decode()}|200 1|", f"{right.decode()}|200 {again}|"]
            assert told == "".join(answers[: len(urls)])

    uvloop.run(main())


@has("curl")
def test_a_slow_reader_has_the_whole_answer() -> None:
    """Much more than a socket holds, read at a tenth of the speed."""

    async def main() -> None:
        async with served(10) as (_, port):
            told = await run("curl", "-sS", "--limit-rate", "8M", f"http://127.0.0.1:{port}/large?x")
            assert told.encode() == echo("GET", "/large", "x", b"").ljust(LARGE)

    uvloop.run(main())


@has("wrk")
@pytest.mark.parametrize("path", ["/", "/pieces"])
def test_wrk_meets_no_fault(tmp_path: Path, path: str) -> None:
    """Requests over many connections for a second, whose callers leave in the middle at the end: all are answered."""
    script = tmp_path / "post.lua"
    script.write_text('wrk.method = "POST"\nwrk.body = string.rep("x", 1000)\n')

    async def main() -> None:
        async with served(10) as (serving, port):
            url = f"http://127.0.0.1:{port}{path}"
            told = await run("wrk", "-t1", "-c64", "-d1s", "-s", str(script), url)
            count = re.search(r"(\d+) requests in", told)
            assert count is not None
            assert int(count[1]) > 0
            assert "Socket errors" not in told
            assert "Non-2xx" not in told
            async with asyncio.timeout(30):
                while serving.connections:  # noqa: ASYNC110 - it is asked of a server
                    await asyncio.sleep(0.01)

    uvloop.run(main())
