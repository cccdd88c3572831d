"""The ways to reach a server: by a Unix socket, by TLS, and within its limits."""

from __future__ import annotations

import shutil
import socket
import ssl
import stat
from contextlib import closing
from pathlib import Path

import pytest
from certificates import HERE, Authority
from raw_http import ask, everything, plugged
from real_processes import Inferpoint, Program, environ, eventually, run, serving

from inferpoint.inbound.tls import subject

LIVE = b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


@pytest.mark.parametrize("workers", [1, 2])
def test_a_socket_of_ones_own(tmp_path: Path, workers: int) -> None:
    """The socket is its user's alone and answers HTTP; what a killed server left is replaced, what lives is not."""
    path = tmp_path / "inferpoint.sock"
    flags = (f"--listen=unix:{path}", f"--workers={workers}")
    for _ in range(2):
        with Program(serving(tmp_path / "data", *flags), environ(tmp_path)) as server:
            server.until(rb"listening on unix:")
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
            with closing(socket.socket(socket.AF_UNIX)) as line:
                line.connect(str(path))
                line.sendall(LIVE)
                assert everything(line).endswith(b'{"status":"alive"}')
            second = run(serving(tmp_path / "other", *flags), environ(tmp_path))
            assert second.stderr == f"inferpoint: Cannot listen on unix:{path}: Address already in use\n"
    path.unlink()
    path.write_text("mine")
    assert run(serving(tmp_path / "other", *flags), environ(tmp_path)).returncode == 1
    assert path.read_text() == "mine"


@pytest.mark.parametrize("workers", [1, 2])
def test_https(tmp_path: Path, workers: int) -> None:
    """With a certificate and its key the server speaks TLS, and nothing else; without the key it does not start."""
    authority = Authority(tmp_path)
    authority.server(HERE)
    both = tmp_path / "server.pem"
    flags = ("--port=0", f"--workers={workers}", f"--tls-cert={both}")
    alone = run(serving(tmp_path / "data", *flags), environ(tmp_path))
    assert (alone.returncode, alone.stderr) == (1, "inferpoint: [tls_cert] and [tls_key] are needed together\n")
    none = run(serving(tmp_path / "data", *flags, f"--tls-key={authority.file}"), environ(tmp_path))
    assert none.returncode == 1
    with Program(serving(tmp_path / "data", *flags, f"--tls-key={both}"), environ(tmp_path)) as server:
        port = int(server.until(rb"listening on https://127\.0\.0\.1:(\d+)")[1])
        context = ssl.create_default_context(cafile=str(authority.file))
        with (
            socket.create_connection(("127.0.0.1", port), 60) as plain,
            context.wrap_socket(plain, server_hostname="127.0.0.1") as line,
        ):
            line.sendall(LIVE)
            assert everything(line).endswith(b'{"status":"alive"}')
        with plugged(f"http://127.0.0.1:{port}") as line:
            line.sendall(LIVE)
            assert b"HTTP/1.1" not in line.recv(1000)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_certificate_is_renewed_without_a_restart(tmp_path: Path, workers: int) -> None:
    """Every worker has the new one soon after the files were replaced; a client shows its own."""
    authority = Authority(tmp_path)
    pair, client = authority.pair("pair.pem", "old"), authority.pair("client.pem", "search")
    flags = ("--port=0", f"--workers={workers}", f"--tls-cert={pair}", f"--tls-key={pair}", "--log-format=json")
    needed = (*flags, f"--tls-client-ca={authority.file}")
    context = ssl.create_default_context(cafile=str(authority.file))
    context.load_cert_chain(client)
    with Program(serving(tmp_path / "data", *needed), environ(tmp_path)) as server:
        port = int(server.until(rb"listening on https://127\.0\.0\.1:(\d+)")[1])

        def name() -> str:
            with (
                socket.create_connection(("127.0.0.1", port), 60) as plain,
                context.wrap_socket(plain, server_hostname="127.0.0.1") as line,
            ):
                line.sendall(LIVE.replace(b"/livez", b"/none"))
                assert everything(line).startswith(b"HTTP/1.1 404 ")
                return subject(line.getpeercert())

        assert name() == "O=Acme,CN=old"
        authority.pair("new.pem", "new").replace(pair)
        eventually(lambda: name() == "O=Acme,CN=new")
        for _ in range(workers):
            server.until(rb"The certificate .* was read anew")
        assert b'"certificate":"O=Acme,CN=search"' in server.until(rb"{.*/none.*}")[0]


def test_limits_of_connections_are_settings(tmp_path: Path) -> None:
    """A server of two connections closes the one that is idle, and one that waits for a head ends it with a 408."""
    with (
        Inferpoint(tmp_path / "data", "--max-connections=2", "--slow-seconds=1") as server,
        plugged(server.url) as first,
        plugged(server.url) as second,
    ):
        second.sendall(b"GET / HTTP/1.1\r\n")
        assert ask(server.url, "GET", "/livez").status == 200
        assert everything(first) == b""
        assert everything(second).startswith(b"HTTP/1.1 408 ")
    with Inferpoint(tmp_path / "data", "--idle-seconds=1") as server, plugged(server.url) as line:
        assert everything(line) == b""


WAYS = [["--http2"], ["--http1.0"], ["-H", "Transfer-Encoding: chunked"], ["-H", "Expect: 100-continue"]]


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not on this machine")
@pytest.mark.parametrize("flags", WAYS, ids=lambda flags: flags[-1])
def test_curl_is_answered(server: Inferpoint, flags: list[str]) -> None:
    """With a wish for HTTP/2, by the oldest version, in chunks and after being asked for its body."""
    url = f"{server.url}/v2/none"
    asked = ["curl", "-s", "--max-time", "60", *flags, "--data", '{"input": "x"}', url, url]
    assert run(asked, environ(server.data_dir.parent)).stdout == '{"message":"no such address: POST /v2/none"}' * 2
