"""What is stored when the server is killed, and what keeps it from starting."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import signal
import sqlite3
import stat
import threading
from collections.abc import Callable, Iterator
from http.client import HTTPException
from pathlib import Path
from typing import Any

import pytest
from emulated_provider import Provider, silence
from raw_http import ask, plugged
from real_processes import Inferpoint, environ, run, serving

KEY = base64.b64encode(bytes(range(32))).decode()


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """A data folder that does not exist yet."""
    return tmp_path / "data"


def config(url: str) -> dict[str, Any]:
    return {"service": "hugging_face", "service_settings": {"api_key": "hf-test", "url": url}}


def put(server: Inferpoint, name: str, url: str, query: str = "") -> int:
    return ask(server.url, "PUT", f"/_inference/text_embedding/{name}{query}", config(url)).status


def files(data_dir: Path) -> Iterator[bytes]:
    """The bytes of every file."""
    return (path.read_bytes() for path in data_dir.rglob("*") if path.is_file())


def refused(data_dir: Path, env: dict[str, str] | None = None) -> str:
    """The one sentence with which the server does not start."""
    done = run(serving(data_dir), environ(data_dir.parent, env))
    assert done.returncode == 1
    assert not done.stdout
    (sentence,) = done.stderr.splitlines()
    assert sentence.startswith("inferpoint: ")
    return sentence.removeprefix("inferpoint: ")


def test_an_endpoint_survives_a_kill_right_after_its_answer(data_dir: Path, embedder: Provider) -> None:
    """What was answered with 200 is there after `kill -9`, its key included."""
    with Inferpoint(data_dir) as server:
        assert put(server, "kept", embedder.url) == 200
        server.kill()
    with Inferpoint(data_dir) as server:
        answered = ask(server.url, "POST", "/_inference/kept", {"input": "x"})
        assert answered.json == {"text_embedding": [{"embedding": [0.6, 0.0, 0.8]}]}
    assert embedder.asked.queue[-1].headers["authorization"] == "Bearer hf-test"


def test_a_put_that_fails_leaves_nothing(data_dir: Path, provider: Callable[..., Provider]) -> None:
    """An endpoint that its provider refused is not there, not after a restart, and in the audit trail alone."""
    refusing = provider(lambda asked: asked.answer({"error": "no such token"}, 401))
    with Inferpoint(data_dir) as server:
        assert put(server, "never-made", refusing.url) == 400
        assert ask(server.url, "GET", "/_inference/never-made").status == 404
        server.kill()
    with Inferpoint(data_dir) as server:
        assert ask(server.url, "GET", "/_inference").json == {"endpoints": []}
    with contextlib.closing(sqlite3.connect(data_dir / "inferpoint.db")) as store:
        (line,) = [line for line in store.iterdump() if "never-made" in line]
    assert line.startswith('INSERT INTO "audit"')


def test_a_delete_survives_too(data_dir: Path, embedder: Provider) -> None:
    """What was deleted does not come back after `kill -9`, and its name is free again."""
    with Inferpoint(data_dir) as server:
        put(server, "gone", embedder.url)
        assert ask(server.url, "DELETE", "/_inference/gone").status == 200
        server.kill()
    with Inferpoint(data_dir) as server:
        assert ask(server.url, "GET", "/_inference/gone").status == 404
        assert put(server, "gone", embedder.url) == 200


def test_a_kill_between_many_puts_loses_none_that_was_answered(data_dir: Path) -> None:
    """Every PUT answered with 200 is there after the kill; every other one is whole or not there."""
    answered: list[str] = []
    enough = threading.Event()

    def keep_putting(worker: int) -> None:
        for number in range(10_000):
            name = f"worker-{worker}-{number}"
            try:
                status = put(server, name, "http://127.0.0.1:1/embed", "?skip_validation=true")
            except (OSError, HTTPException):
                return
            assert status == 200
            answered.append(name)
            if len(answered) > 100:
                enough.set()

    with Inferpoint(data_dir) as server:
        workers = [threading.Thread(target=keep_putting, args=(number,)) for number in range(8)]
        for worker in workers:
            worker.start()
        assert enough.wait(60)
        server.kill()
        for worker in workers:
            worker.join(60)
    with Inferpoint(data_dir) as server:
        stored = ask(server.url, "GET", "/_inference").json["endpoints"]
    assert {each["inference_id"] for each in stored} >= set(answered)
    assert len(stored) <= len(answered) + len(workers)
    whole = stored[0] | {"inference_id": ""}
    assert whole["service_settings"]["url"] == "http://127.0.0.1:1/embed"
    assert all(each | {"inference_id": ""} == whole for each in stored)


def test_of_many_puts_of_one_id_one_is_answered(data_dir: Path, embedder: Provider) -> None:
    """PUTs of the same id at the same time make one endpoint, and the provider is asked once."""
    statuses: list[int] = []
    before = embedder.asked.qsize()
    with Inferpoint(data_dir) as server:
        callers = [threading.Thread(target=lambda: statuses.append(put(server, "one", embedder.url))) for _ in range(8)]
        for caller in callers:
            caller.start()
        for caller in callers:
            caller.join(60)
    assert sorted(statuses) == [200] + [400] * 7
    assert embedder.asked.qsize() == before + 1


def test_a_caller_that_leaves_its_put_leaves_nothing_half_made(
    data_dir: Path, provider: Callable[..., Provider]
) -> None:
    """A PUT whose caller is gone before its provider answered is not stored."""
    silent = provider(silence)
    with Inferpoint(data_dir) as server:
        body = json.dumps(config(silent.url)).encode()
        head = f"PUT /_inference/text_embedding/left HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n"
        with plugged(server.url) as line:
            line.sendall(head.encode() + b"\r\n" + body)
            asked = silent.next()
        assert asked.left.wait(60)
        server.until(rb"PUT \S+ 499 ")
        assert ask(server.url, "GET", "/_inference").json == {"endpoints": []}


def test_the_key_is_made_once_for_its_owner_alone(data_dir: Path) -> None:
    """The key file and the folder are the owner's alone, whatever the umask, and the key stays the same."""
    before = os.umask(0)
    try:
        with Inferpoint(data_dir):
            key = (data_dir / "secret.key").read_bytes()
            assert len(base64.b64decode(key)) == 32
            assert stat.S_IMODE((data_dir / "secret.key").stat().st_mode) == 0o600
            assert stat.S_IMODE(data_dir.stat().st_mode) == 0o700
    finally:
        os.umask(before)
    with Inferpoint(data_dir):
        assert (data_dir / "secret.key").read_bytes() == key


def test_a_key_from_the_environment_is_used_and_not_written(data_dir: Path, embedder: Provider) -> None:
    """With a key given no key file is made, and the same key opens what it sealed."""
    env = {"INFERPOINT_SECRET_KEY": KEY}
    with Inferpoint(data_dir, env=env) as server:
        assert put(server, "sealed", embedder.url) == 200
    assert not (data_dir / "secret.key").exists()
    named = data_dir.parent / "key"
    named.write_text(KEY + "\n")
    named.chmod(0o600)
    with Inferpoint(data_dir, env={"INFERPOINT_SECRET_KEY_FILE": str(named)}) as server:
        assert ask(server.url, "POST", "/_inference/sealed", {"input": "x"}).status == 200


def test_another_key_is_refused_in_one_sentence(data_dir: Path, embedder: Provider) -> None:
    """A server does not start with a key that is not the one its secrets were sealed with, or with none."""
    with Inferpoint(data_dir, env={"INFERPOINT_SECRET_KEY": KEY}) as server:
        assert put(server, "sealed", embedder.url) == 200
    other = base64.b64encode(bytes(32)).decode()
    said = refused(data_dir, {"INFERPOINT_SECRET_KEY": other})
    assert "is not the one" in said
    assert other not in said
    assert "The secret key is missing" in refused(data_dir)
    assert not (data_dir / "secret.key").exists()
    with Inferpoint(data_dir, env={"INFERPOINT_SECRET_KEY": KEY}) as server:
        assert ask(server.url, "GET", "/_inference/sealed").status == 200


@pytest.mark.parametrize(
    ("env", "said"),
    [
        ({"INFERPOINT_SECRET_KEY": "canary-key"}, "The secret key in INFERPOINT_SECRET_KEY is not 32 bytes in base64"),
        ({"INFERPOINT_SECRET_KEY_FILE": "/nowhere/key"}, "The secret key file /nowhere/key cannot be read"),
        ({"INFERPOINT_SHUTDOWN_SECONDS": "soon"}, "field [shutdown_seconds] is not of the expected type"),
        ({"INFERPOINT_CONFIG": "/nowhere/file"}, "The configuration file /nowhere/file cannot be read"),
        (
            {"INFERPOINT_ADMIN_KEY": "canary-key"},
            "INFERPOINT_ADMIN_KEY must have a secret of [22] characters",
        ),
        ({"INFERPOINT_ADMIN_KEY_FILE": "/nowhere/key"}, "The file /nowhere/key of INFERPOINT_ADMIN_KEY_FILE cannot be"),
        ({"INFERPOINT_HOST": "203.0.113.7", "INFERPOINT_INSECURE": "true"}, "Cannot listen on 203.0.113.7"),
    ],
    ids=[
        "malformed key",
        "no key file",
        "wrong type",
        "configuration file",
        "guessed key",
        "no admin file",
        "address of others",
    ],
)
def test_what_keeps_the_server_from_starting_is_one_sentence(data_dir: Path, env: dict[str, str], said: str) -> None:
    """A setting that cannot be is told in one sentence, without a traceback and without the key."""
    sentence = refused(data_dir, env)
    assert said in sentence
    assert "canary-key" not in sentence


def test_a_folder_belongs_to_one_server(data_dir: Path) -> None:
    """A second server on a folder says so and ends; when the first is killed, the folder is free."""
    with Inferpoint(data_dir) as server:
        assert refused(data_dir) == f"The data folder {data_dir} is in use by another process"
        server.tell(signal.SIGKILL)
        server.ended()
        with Inferpoint(data_dir):
            pass


def test_a_folder_that_cannot_be_is_one_sentence(tmp_path: Path) -> None:
    """A data folder below a file is told in one sentence."""
    (tmp_path / "file").touch()
    assert "cannot be used" in refused(tmp_path / "file" / "data")


def test_a_store_that_is_none_is_one_sentence(data_dir: Path) -> None:
    """A file of other things in the store's place is told in one sentence, and left as it is."""
    data_dir.mkdir()
    (data_dir / "inferpoint.db").write_bytes(b"this is not a database, " * 100)
    assert "The store cannot be opened" in refused(data_dir)
    assert (data_dir / "inferpoint.db").read_bytes().startswith(b"this is not")
