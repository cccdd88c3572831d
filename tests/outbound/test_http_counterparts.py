"""The HTTP client against servers that others have written."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import sys
from collections.abc import Generator, Iterator
from contextlib import aclosing, contextmanager
from pathlib import Path

import pytest
from raw_calls import both, sent
from real_processes import Program, environ

from inferpoint.errors import InferenceError
from inferpoint.model.http import Call
from inferpoint.outbound.http.transport import HttpTransport

HERE = Path(__file__).parent
PROGRAMS = {
    "node": ["node", str(HERE / "counterpart.mjs")],
    "uvicorn": [sys.executable, str(HERE / "counterpart.py")],
}
BODY = os.urandom(300_000)
NGINX = """
daemon off; master_process off; pid nginx.pid; error_log stderr notice; events {{}}
http {{
    access_log off; client_max_body_size 1m; keepalive_timeout 60;
    client_body_temp_path t; proxy_temp_path t; fastcgi_temp_path t; uwsgi_temp_path t; scgi_temp_path t;
    server {{
        listen 127.0.0.1:{port} reuseport;
        location / {{ proxy_pass {behind}; proxy_http_version 1.1; proxy_set_header Connection ""; }}
    }}
}}
"""


@contextmanager
def running(name: str, folder: Path) -> Iterator[str]:
    """The address of the program *name*."""
    with Program(PROGRAMS[name], environ(folder)) as program:
        yield program.until(rb"listening on (http://127\.0\.0\.1:\d+)")[1].decode()


@contextmanager
def nginx(behind: str, folder: Path) -> Iterator[str]:
    """The address of nginx before the server *behind*; the port is kept for it until it has ended."""
    with socket.socket() as kept:
        kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        kept.bind(("127.0.0.1", 0))
        port = kept.getsockname()[1]
        (folder / "nginx.conf").write_text(NGINX.format(port=port, behind=behind))
        command = ["nginx", "-e", "stderr", "-p", str(folder), "-c", str(folder / "nginx.conf")]
        with Program(command, environ(folder)) as program:
            program.until(rb"nginx/\d")
            yield f"http://127.0.0.1:{port}"


@pytest.fixture(scope="module", params=[*PROGRAMS, "nginx"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Generator[str]:
    folder = tmp_path_factory.mktemp("counterpart")
    if request.param != "nginx":
        with running(request.param, folder) as url:
            yield url
        return
    if shutil.which("nginx") is None:
        pytest.skip("nginx is not installed")
    with running("uvicorn", folder) as behind, nginx(behind, folder) as url:
        yield url


@pytest.mark.parametrize("path", ["/", "/chunked", "/hints", "/gzip", "/last"])
def test_every_kind_of_reply_is_read(server: str, path: str) -> None:
    """What comes back is what was sent, one call after another and at once, whole and in pieces."""

    async def main() -> None:
        transport = HttpTransport("0")

        async def echoed(body: bytes, *, whole: bool) -> None:
            call = Call(server + path, body, {"content-type": "text/plain"})
            if whole:
                assert (await sent(transport, call)).body == body
                return
            arriving = await transport.send(call)
            async with aclosing(arriving.pieces()) as pieces:
                assert b"".join([piece async for piece in pieces]) == body
            arriving.close()

        for size in (1, 1000, 300_000, 20):
            await echoed(BODY[:size], whole=True)
            await echoed(BODY[:size], whole=False)
        await asyncio.gather(*(echoed(BODY[number : number + 5000], whole=number % 2 == 0) for number in range(40)))
        await transport.close()

    both(main)


def test_a_body_that_ends_early_is_an_error(server: str) -> None:
    """A server that dies within a body has not answered; the next call is answered."""

    async def main() -> None:
        transport = HttpTransport("0")
        for _ in range(3):
            with pytest.raises(InferenceError, match="cut off"):
                await sent(transport, Call(f"{server}/dies", b"hello"))
            assert (await sent(transport, Call(f"{server}/", b"hello"))).body == b"hello"
        await transport.close()

    both(main)
