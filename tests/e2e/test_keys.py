"""Keys on running servers: by unmodified clients, by commands, by several workers, and from the first start."""

from __future__ import annotations

import base64
import json
import re
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from certificates import HERE, Authority
from emulated_provider import Asked, Provider, chunk
from official_clients import CLIENTS, Client
from raw_http import Answered, ask
from real_processes import PATIENCE, ROOT, Inferpoint, Program, environ, eventually, run, serving

import inferpoint
from inferpoint.errors import InferenceError, Kind

PROGRAM = str(Path(sys.executable).parent / "inferpoint")
OPENAI = {"service": "openai", "service_settings": {"api_key": "sk-test", "model_id": "gpt-4o-mini"}}
SECRET = "0123456789abcdef0123456789abcdef"
ENCODED = base64.b64encode(f"admin:{SECRET}".encode()).decode()


def bearing(encoded: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {encoded}"}


class Closed:
    """A server with an administrator's key, and two endpoints."""

    def __init__(self, server: Inferpoint) -> None:
        self.server = server
        self.url = server.url
        self.admin = ask(self.url, "POST", "/_security/api_key", {"name": "admin"}).json["encoded"]
        for name in ("mine", "others"):
            assert self.ask("PUT", f"/_inference/completion/{name}?skip_validation=true", OPENAI).status == 200

    def ask(self, method: str, path: str, body: Any = None, key: str = "") -> Answered:
        return ask(self.url, method, path, body, bearing(key or self.admin))

    def make(self, *cluster: str, **members: Any) -> dict[str, Any]:
        body = {"name": "made", "role_descriptors": {"role": {"cluster": list(cluster)}}, **members}
        return self.ask("POST", "/_security/api_key", body).json


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory, moved: dict[str, str]) -> Iterator[Closed]:
    """A server with keys."""
    with Inferpoint(tmp_path_factory.mktemp("closed") / "data", env=moved) as server:
        yield Closed(server)


@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.name)
def test_a_teams_key_by_the_official_clients(closed: Closed, client: Client, home: Path) -> None:
    """Each official client makes a key, is held to it, looks it up, changes it and ends it, unmodified."""
    done = run(client.command("keys", closed.url, closed.admin, "mine", "others"), environ(home))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


OPENAIS = """
import sys
import openai
url, key = sys.argv[1:]
client = openai.OpenAI(base_url=url + "/v1", api_key=key, max_retries=0)
assert [model.id for model in client.models.list()] == ["mine"]
assert client.chat.completions.create(model="mine", messages=[{"role": "user", "content": "how big"}]).choices
for model, key, error in (("others", key, openai.NotFoundError), ("mine", "wrong", openai.AuthenticationError)):
    try:
        openai.OpenAI(base_url=url + "/v1", api_key=key, max_retries=0).embeddings.create(model=model, input="x")
    except error as caught:
        print(caught.code)
"""
ANTHROPICS = """
import sys
import anthropic
url, key = sys.argv[1:]
talk = dict(max_tokens=9, messages=[{"role": "user", "content": "how big"}])
for named in ({"api_key": key}, {"auth_token": key}):
    client = anthropic.Anthropic(base_url=url, max_retries=0, **named)
    assert client.messages.create(model="mine", **talk).content
for model, key, error in (("others", key, anthropic.NotFoundError), ("mine", "wrong", anthropic.AuthenticationError)):
    try:
        anthropic.Anthropic(base_url=url, api_key=key, max_retries=0).messages.create(model=model, **talk)
    except error as caught:
        print(caught.body["error"]["type"])
"""


@pytest.mark.parametrize(
    ("script", "told"),
    [(OPENAIS, ["model_not_found", "invalid_api_key"]), (ANTHROPICS, ["not_found_error", "authentication_error"])],
    ids=["openai", "anthropic"],
)
def test_a_teams_key_by_the_makers_clients(closed: Closed, home: Path, script: str, told: list[str]) -> None:
    """The makers' own clients send a key as they would send one of theirs, and read what is refused."""
    chat = {**OPENAI, "task_type": "chat_completion"}
    assert closed.ask("DELETE", "/_inference/mine").status == 200
    assert closed.ask("PUT", "/_inference/mine?skip_validation=true", chat).status == 200
    try:
        made = closed.make("monitor_inference", metadata={"inferpoint": {"inference_ids": ["mine"]}})
        python = str(ROOT / ".venvs/clients-sdk/bin/python")
        done = run([python, "-c", script, closed.url, made["encoded"]], environ(home))
        assert (done.returncode, done.stdout.split()) == (0, told), done.stderr
    finally:
        closed.ask("DELETE", "/_inference/mine")
        closed.ask("PUT", "/_inference/completion/mine?skip_validation=true", OPENAI)


def test_the_library_sends_a_key(closed: Closed, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a key, or that of the environment, the library does on a server what the key may; without one nothing."""
    made = closed.make("monitor_inference", metadata={"inferpoint": {"inference_ids": ["mine"]}})
    with inferpoint.connect(closed.url, api_key=made["encoded"]) as ip:
        assert [endpoint["inference_id"] for endpoint in ip.all()] == ["mine"]
        with pytest.raises(InferenceError) as denied:
            ip.delete("mine")
        assert denied.value.kind is Kind.FORBIDDEN
    with inferpoint.connect(closed.url) as ip, pytest.raises(InferenceError) as unknown:
        ip.all()
    assert unknown.value.kind is Kind.UNAUTHENTICATED
    monkeypatch.setenv("INFERPOINT_API_KEY", closed.admin)
    with inferpoint.connect(closed.url) as ip:
        assert {endpoint["inference_id"] for endpoint in ip.all()} >= {"mine", "others"}


def test_keys_by_commands(closed: Closed, home: Path, tmp_path: Path) -> None:
    """A team's key is made, listed, shown, changed and ended; the key that asks is a variable's or a file's."""
    file = tmp_path / "key"
    file.write_text(closed.admin + "\n")
    own = environ(home, {"INFERPOINT_URL": closed.url})

    def typed(*words: str, **more: str) -> str:
        done = run([PROGRAM, *words], {**own, "INFERPOINT_API_KEY": closed.admin, **more})
        assert done.returncode == 0, done.stderr
        return done.stdout

    held = ["--team", "search", "--endpoints", "mi*", "--requests-per-minute", "600", "--budget", "usd_per_day=2.5"]
    printed = typed("keys", "create", *held, "--expires", "30d")
    match = re.fullmatch(r"Created (\w+), called search\. Its key, shown this once:\n(\w+)\n", printed)
    assert match
    key_id, encoded = match.groups()
    shown = json.loads(typed("keys", "show", key_id))
    assert shown["metadata"]["inferpoint"] == {
        "inference_ids": ["mi*"],
        "team": "search",
        "requests_per_minute": 600,
        "budget": {"usd_per_day": 2.5},
    }
    assert "mine" in typed("endpoints", "list", INFERPOINT_API_KEY=encoded)
    assert "others" not in typed("endpoints", "list", INFERPOINT_API_KEY=encoded)
    assert typed("keys", "update", key_id, "--tokens-per-minute", "9", "--budget", "tokens_per_day=5") == (
        f"Updated {key_id}\n"
    )
    changed = json.loads(typed("keys", "show", key_id))["metadata"]["inferpoint"]
    assert (changed["tokens_per_minute"], changed["requests_per_minute"]) == (9, 600)
    assert changed["budget"] == {"usd_per_day": 2.5, "tokens_per_day": 5}
    assert key_id in typed("keys", "list")
    assert encoded not in typed("keys", "list", "-o", "json")
    made = json.loads(typed("keys", "create", "--admin", "--name", "second", "-o", "json"))
    assert typed("keys", "invalidate", key_id, made["id"]) == f"Invalidated {key_id}\nInvalidated {made['id']}\n"
    for command in (["keys", "invalidate", "none"], ["keys", "show", "none"]):
        done = run([PROGRAM, *command], {**own, "INFERPOINT_API_KEY": closed.admin})
        assert (done.returncode, done.stderr) == (1, "inferpoint: API key not found [none]\n")
    done = run([PROGRAM, "endpoints", "list", "--api-key-file", str(file)], own)
    assert done.returncode == 0, done.stderr
    done = run([PROGRAM, "endpoints", "list"], own)
    assert (done.returncode, "missing authentication credentials" in done.stderr) == (1, True)
    done = run([PROGRAM, "endpoints", "list"], {**own, "INFERPOINT_API_KEY": "canary\nkey"})
    assert (done.returncode, "canary" in done.stderr) == (1, False)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_key_that_ends_takes_its_streams_along(tmp_path: Path, workers: int) -> None:
    """In every worker a stream is cut off when its key is invalidated, and the next request refused; others go on."""

    def slowly(asked: Asked) -> None:
        asked.stream()
        asked.send(chunk("so"))
        asked.until_left()

    with Provider(slowly) as provider, Inferpoint(tmp_path / "data", f"--workers={workers}") as server:
        closed = Closed(server)
        settings = {"api_key": "k", "model_id": "m", "url": f"{provider.url}/v1/chat/completions"}
        config = {"service": "openai", "service_settings": settings}
        assert closed.ask("PUT", "/_inference/completion/slow?skip_validation=true", config).status == 200
        team, other = closed.make("monitor_inference"), closed.make("monitor_inference")
        streams = [Stream(server.url, key["encoded"]) for key in (team, other) for _ in range(4)]
        assert all(stream.reads().startswith(b"HTTP/1.1 200") for stream in streams)
        ended = closed.ask("DELETE", "/_security/api_key", {"ids": [team["id"]]})
        assert ended.json["invalidated_api_keys"] == [team["id"]]
        for stream in streams[:4]:
            stream.ends()
        for _ in range(8):  # whichever worker is asked
            assert closed.ask("GET", "/_inference", key=team["encoded"]).status == 401
            assert closed.ask("GET", "/_inference", key=other["encoded"]).status == 200
        for stream in streams[4:]:
            stream.close()


class Stream:
    """A completion that comes slowly."""

    def __init__(self, url: str, key: str) -> None:
        parts = urlsplit(url)
        self._line = socket.create_connection((parts.hostname, parts.port), PATIENCE)
        body = b'{"input": "x"}'
        head = (
            "POST /_inference/slow/_stream HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            f"Authorization: Bearer {key}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        self._line.sendall(head.encode() + body)

    def reads(self) -> bytes:
        return self._line.recv(65536)

    def ends(self) -> None:
        """Wait for the end, which is none of a whole answer."""
        told = b""
        try:
            while some := self.reads():
                told += some
        except ConnectionResetError:
            pass
        assert not told.endswith(b"0\r\n\r\n")
        self.close()

    def close(self) -> None:
        self._line.close()


@pytest.mark.parametrize("workers", [1, 2])
def test_the_first_key_closes_every_worker(tmp_path: Path, workers: int) -> None:
    """On loopback a server without keys is open and says so; the first key closes it at once, for good."""
    with Inferpoint(tmp_path / "data", f"--workers={workers}") as server:
        assert server.written.count(b"There are no API keys") == 1
        for _ in range(4):
            assert ask(server.url, "GET", "/_inference").status == 200
        denied = ask(
            server.url, "POST", "/_security/api_key", {"name": "x", "role_descriptors": {"a": {"cluster": []}}}
        )
        assert (denied.status, "must be an administrator's" in denied.reason) == (400, True)
        made = ask(server.url, "POST", "/_security/api_key", {"name": "first"}).json
        for _ in range(8):
            assert ask(server.url, "GET", "/_inference").status == 401
            assert ask(server.url, "GET", "/livez").status == 200
    with Inferpoint(tmp_path / "data") as server:
        assert b"There are no API keys" not in server.written
        assert ask(server.url, "GET", "/_inference").status == 401
        assert ask(server.url, "GET", "/_inference", headers=bearing(made["encoded"])).status == 200
        assert made["encoded"].encode() not in server.written


@pytest.mark.parametrize("workers", [1, 2])
def test_where_others_reach_it_a_server_has_a_key_from_the_start(tmp_path: Path, workers: int) -> None:
    """On another address the first start makes an administrator's key and prints it once, never into the log."""
    flags = ("--host=0.0.0.0", f"--workers={workers}", "--log-format=json")
    command = serving(tmp_path / "data", *flags)
    log, out = tmp_path / "log", tmp_path / "out"
    shell = ["bash", "-c", 'exec "$@" >"$OUT" 2> >(tee "$LOG" >&2)', "bash", *command]
    printed = encoded = ""
    for start in range(2):
        with Program(shell, environ(tmp_path, {"LOG": str(log), "OUT": str(out)})) as server:
            url = server.until(rb'"url":\s?"(http://[^"]+)"')[1].decode().replace("0.0.0.0", "127.0.0.1")
            if not start:
                eventually(lambda: bool(out.read_text()))
                printed = out.read_text()
                (encoded,) = re.findall(r"shown this once: (\w+)\n", printed)
            else:
                assert out.read_text() == ""
            assert encoded not in log.read_text()
            assert ask(url, "GET", "/_inference").status == 401
            assert ask(url, "GET", "/_inference", headers={"Host": "x.test", **bearing(encoded)}).status == 200
            server.tell(signal.SIGTERM)
            server.ended()
    assert printed.count("\n") == 1


@pytest.mark.parametrize(
    "chosen", [SECRET, "YWRtaW46" + "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="], ids=["secret", "encoded"]
)
def test_the_administrators_key_is_chosen(tmp_path: Path, chosen: str) -> None:
    """A key from the environment, or from a file, is the administrator's, until it ends or another replaces it."""
    file = tmp_path / "admin"
    for env in ({"INFERPOINT_ADMIN_KEY": chosen}, {"INFERPOINT_ADMIN_KEY_FILE": str(file)}):
        file.write_text(chosen + "\n")
        with Inferpoint(tmp_path / "data", "--host=0.0.0.0", env=env) as server:
            for headers in (bearing(chosen), {"x-api-key": chosen}, {"Authorization": f"ApiKey {chosen}"}):
                assert ask(server.url, "GET", "/_security/_authenticate", headers=headers).json["username"] == "admin"
            assert ask(server.url, "GET", "/_inference").status == 401
            assert chosen.encode() not in server.written
        if "INFERPOINT_ADMIN_KEY_FILE" in env:
            with Inferpoint(tmp_path / "data", env=env) as server:
                assert (
                    ask(server.url, "DELETE", "/_security/api_key", {"ids": ["admin"]}, bearing(chosen)).status == 200
                )
            with Inferpoint(tmp_path / "data", env=env) as server:  # what was ended stays so
                assert ask(server.url, "GET", "/_inference", headers=bearing(chosen)).status == 401
    other = SECRET[::-1]
    with Inferpoint(tmp_path / "data", env={"INFERPOINT_ADMIN_KEY": other}) as server:
        assert ask(server.url, "GET", "/_inference", headers=bearing(chosen)).status == 401
        assert ask(server.url, "GET", "/_inference", headers=bearing(other)).status == 200
    assert SECRET.encode() not in b"".join(
        path.read_bytes() for path in (tmp_path / "data").iterdir() if path.is_file()
    )


def test_an_open_server_by_decision(tmp_path: Path) -> None:
    """Only `--insecure` opens a server to others without a key, and only until there is one."""
    with Inferpoint(tmp_path / "data", "--host=0.0.0.0", "--insecure") as server:
        assert b"There are no API keys" in server.written
        assert ask(server.url, "GET", "/_inference").status == 200
        ask(server.url, "POST", "/_security/api_key", {"name": "first"})
        assert ask(server.url, "GET", "/_inference").status == 401


def test_a_command_knows_a_server_by_its_certificate(tmp_path: Path) -> None:
    """Over HTTPS a key is sent to who has the certificate, and to nobody else."""
    authority = Authority(tmp_path)
    authority.server(HERE)
    both = tmp_path / "server.pem"
    flags = ("--port=0", f"--tls-cert={both}", f"--tls-key={both}")
    with Program(serving(tmp_path / "data", *flags), environ(tmp_path, {"INFERPOINT_ADMIN_KEY": SECRET})) as server:
        url = server.until(rb"listening on (https://127\.0\.0\.1:\d+)")[1].decode()
        env = environ(tmp_path, {"INFERPOINT_URL": url, "INFERPOINT_API_KEY": SECRET})
        known = run([PROGRAM, "keys", "list", "-o", "json", "--ca-cert", str(authority.file)], env)
        assert json.loads(known.stdout)[0]["id"] == "admin", known.stderr
        unknown = run([PROGRAM, "keys", "list"], env)
        assert (unknown.returncode, "certificate verify failed" in unknown.stderr) == (1, True)
        none = run([PROGRAM, "keys", "list", "--ca-cert", "/nowhere/file"], env)
        assert none.stderr == "inferpoint: The certificates /nowhere/file cannot be read: No such file or directory\n"
