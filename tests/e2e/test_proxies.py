"""nginx in front of the server, as docs/proxies.md has it: TLS, a prefix, streams, large bodies, and who asked."""

from __future__ import annotations

import grp
import json
import os
import pwd
import re
import shutil
import signal
import socket
import ssl
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPSConnection
from pathlib import Path
from typing import Any

import pytest
from certificates import Authority
from emulated_provider import END, Asked, Provider, chunk, said
from raw_http import Answered, ask_on, begin_on, events
from real_processes import PATIENCE, ROOT, Inferpoint, Program, environ, eventually, run

from inferpoint.config import Config

PAGE = (ROOT / "docs/proxies.md").read_text("utf-8")
SAMPLE = re.search(r"```nginx\n(.*?)```", PAGE, re.DOTALL)
FLAGS = re.search(r"inferpoint serve (--path-prefix .*)\n", PAGE)
NAME = "inference.example.com"
LARGE = 3_000_000
needs_nginx = pytest.mark.skipif(
    shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin") is None, reason="nginx is not on this machine"
)


def sample() -> str:
    assert SAMPLE
    return SAMPLE[1]


class Nginx(Program):
    """The sample of the page in front of *server*, listening where *listener* does."""

    def __init__(self, folder: Path, server: Inferpoint, pair: Path, listener: socket.socket) -> None:
        listening = "{}:{}".format(*listener.getsockname())
        text = sample()
        for there, here in (
            ("listen 443 ssl;", f"listen {listening} ssl;"),
            ("127.0.0.1:9210", server.url.removeprefix("http://").partition("/")[0]),
            ("/etc/ssl/inference/chain.pem", str(pair)),
            ("/etc/ssl/inference/key.pem", str(pair)),
        ):
            assert text.count(there) == 1, there
            text = text.replace(there, here)
        kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        places = " ".join(f"{kind}_temp_path {folder / kind};" for kind in kinds)
        who = f"{pwd.getpwuid(os.getuid()).pw_name} {grp.getgrgid(os.getgid()).gr_name}"  # who may write there
        (folder / "nginx.conf").write_text(
            f"user {who}; pid {folder}/pid; error_log stderr info; events {{ worker_connections 64; }}\n"
            f"http {{ access_log off; {places}\n{text} }}"
        )
        command = ["nginx", "-e", "stderr", "-p", str(folder), "-c", str(folder / "nginx.conf")]
        descriptor = listener.fileno()
        env = environ(folder, {"PATH": f"{os.environ['PATH']}:/usr/sbin", "NGINX": f"{descriptor};"})
        super().__init__(command, env, pass_fds=(descriptor,))

    def __exit__(self, *_: object) -> None:
        """End it by asking, for killed it leaves its worker behind."""
        self.tell(signal.SIGTERM)
        self.ended()


@dataclass(frozen=True)
class Front:
    """The way to *server* by nginx at *port*, which *context* trusts; *provider* is behind the server."""

    server: Inferpoint
    port: int
    context: ssl.SSLContext
    authority: Path

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}/inferpoint"

    def line(self, source: str = "127.0.0.1") -> HTTPSConnection:
        """A connection from an address of this machine's."""
        address = (source, 0)
        return HTTPSConnection("127.0.0.1", self.port, timeout=PATIENCE, context=self.context, source_address=address)

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        source: str = "127.0.0.1",
    ) -> Answered:
        with closing(self.line(source)) as line:
            return ask_on(line, method, f"/inferpoint{path}", body, {"Host": NAME, **(headers or {})})


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    """A server with the flags that stand beside the sample, behind nginx."""
    folder = tmp_path_factory.mktemp("nginx")
    authority = Authority(folder)
    pair = authority.pair("pair.pem", NAME)
    assert FLAGS
    with (
        Inferpoint(folder / "data", *FLAGS[1].split(), "--log-format=json") as server,
        socket.create_server(("127.0.0.1", 0)) as listener,
        Nginx(folder, server, pair, listener),
    ):
        context = ssl.create_default_context(cafile=str(authority.file))
        yield Front(server, listener.getsockname()[1], context, authority.file)


@pytest.fixture
def path(
    front: Front, provider: Callable[..., Provider], inference_id: str
) -> Callable[[Callable[[Asked], None]], str]:
    """A function that makes an endpoint by way of nginx, given how its provider answers, and tells its path."""

    def make(act: Callable[[Asked], None]) -> str:
        settings = {"api_key": "k", "model_id": "m", "url": f"{provider(act).url}/v1/chat/completions"}
        made = f"/_inference/completion/{inference_id}"
        config = {"service": "openai", "service_settings": settings}
        assert front.ask("PUT", f"{made}?skip_validation=true", config).status == 200
        return made

    return make


def test_the_sample_fits_the_settings() -> None:
    """A body that the server takes nginx takes too, and it waits longer than the server lets anybody wait."""
    config = Config()
    megabytes = re.search(r"client_max_body_size (\d+)m;", sample())
    seconds = re.search(r"proxy_read_timeout +(\d+)s;", sample())
    assert megabytes
    assert seconds
    assert int(megabytes[1]) * 1024 * 1024 == config.max_body_bytes
    assert config.longest_timeout_seconds < int(seconds[1])


@needs_nginx
def test_the_server_is_below_its_prefix(front: Front) -> None:
    """By TLS and its own name; by another, which nginx passes on, it is told what would let that in."""
    assert front.ask("GET", "/").json["tagline"]
    assert front.ask("GET", "/v1/models").json["object"] == "list"
    assert front.ask("GET", "/readyz", headers={"Host": "10.0.0.1"}).status == 200
    refused = front.ask("GET", "/", headers={"Host": "evil.test"})
    assert refused.status == 403
    assert "--allowed-hosts" in refused.reason


@needs_nginx
def test_pages_of_the_outer_name_are_the_servers_own(front: Front) -> None:
    """Its scheme is the one by which nginx was asked."""
    for origin, status in ((f"https://{NAME}", 200), (f"http://{NAME}", 403), ("https://evil.test", 403)):
        assert front.ask("GET", "/", headers={"Origin": origin}).status == status


@needs_nginx
def test_a_stream_comes_as_it_is_written(front: Front, path: Callable[..., str]) -> None:
    """The second piece is written only once the first has come through nginx, which keeps nothing back."""
    arrived = threading.Event()

    def act(asked: Asked) -> None:
        asked.stream()
        asked.send(chunk("first"))
        arrived.wait(PATIENCE)
        asked.send(chunk("last") + END)

    made = path(act)
    with (
        closing(front.line()) as line,
        begin_on(line, "POST", f"/inferpoint{made}/_stream", {"input": "x"}, {"Host": NAME}) as response,
    ):
        arriving = events(iter(response))
        assert "first" in next(arriving)[1]
        arrived.set()
        assert "last" in next(arriving)[1]
        assert next(arriving)[1] == "[DONE]"


@needs_nginx
def test_a_caller_that_leaves_is_seen_through_nginx(front: Front, path: Callable[..., str]) -> None:
    """The provider's call ends with it."""
    left: list[Asked] = []

    def act(asked: Asked) -> None:
        asked.stream()
        asked.send(chunk("first"))
        left.append(asked)
        asked.until_left()

    made = path(act)
    with (
        closing(front.line()) as line,
        begin_on(line, "POST", f"/inferpoint{made}/_stream", {"input": "x"}, {"Host": NAME}) as response,
    ):
        assert "first" in next(events(iter(response)))[1]
    assert left[0].left.wait(PATIENCE)


@needs_nginx
def test_a_large_body_comes_through(front: Front, path: Callable[..., str]) -> None:
    """Three megabytes, which is more than nginx takes unless it is told."""
    sizes: list[int] = []

    def act(asked: Asked) -> None:
        sizes.append(len(asked.body))
        asked.answer(said("whole"))

    assert front.ask("POST", path(act), {"input": "x" * LARGE}).json == {"completion": [{"result": "whole"}]}
    assert sizes[0] > LARGE


@needs_nginx
def test_the_log_tells_who_asked_nginx(front: Front) -> None:
    """By the address from which nginx was asked, whatever the caller wrote of itself."""
    lies = {"X-Forwarded-For": "6.6.6.6", "Forwarded": "for=6.6.6.6", "X-Forwarded-Host": "evil.test"}
    opaque_id = "who-asked"
    assert front.ask("GET", "/", headers={**lies, "X-Opaque-Id": opaque_id}, source="127.0.0.2").status == 200

    def lines() -> list[dict[str, Any]]:
        told = [json.loads(line) for line in front.server.written.splitlines() if opaque_id.encode() in line]
        return [line for line in told if line["opaque_id"] == opaque_id]

    eventually(lambda: bool(lines()))
    assert [line["client"] for line in lines()] == ["127.0.0.2"]


ELASTICSEARCH = """
import sys
from elasticsearch import Elasticsearch
client = Elasticsearch(sys.argv[1], ca_certs=sys.argv[2], headers={"host": sys.argv[3]})
print(client.info()["tagline"], len(client.inference.get()["endpoints"]))
"""


@needs_nginx
def test_official_clients_ask_through_nginx(front: Front) -> None:
    """Elasticsearch's own, unmodified, by the address with its prefix."""
    asked = [sys.executable, "-c", ELASTICSEARCH, front.url, str(front.authority), NAME]
    done = run(asked, environ(front.server.data_dir.parent))
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("You Know, for Search ")


def test_the_command_line_asks_below_a_prefix(tmp_path: Path) -> None:
    """Its address has the prefix in it, as the server says it."""
    with Inferpoint(tmp_path / "data", "--path-prefix=/inferpoint/") as server:
        address = re.search(rb"listening on (http://\S+?),", server.written)
        assert address
        url = address[1].decode()
        assert url == f"{server.url}/inferpoint"
        done = run(
            [sys.executable, "-m", "inferpoint", "endpoints", "list"], environ(tmp_path, {"INFERPOINT_URL": url})
        )
        assert (done.returncode, done.stderr) == (0, "")
