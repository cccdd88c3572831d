"""Several workers: to their callers and their providers they are one server."""

from __future__ import annotations

import fcntl
import json
import os
import re
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

import pytest
from emulated_provider import Asked, Provider, said, vectors
from prometheus_client import ProcessCollector
from prometheus_client.parser import text_string_to_metric_families
from raw_http import Answered, ask, ask_on, connection
from real_processes import Inferpoint, environ, eventually, run, serving

E = "/_inference/text_embedding/e"


def children(server: Inferpoint) -> list[int]:
    """The processes of the workers."""
    return [int(pid) for pid in Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text("ascii").split()]


@contextmanager
def halted(pids: Sequence[int]) -> Iterator[None]:
    """Have some processes do nothing for a while."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


@contextmanager
def one_each(server: Inferpoint) -> Iterator[dict[int, HTTPConnection]]:
    """A connection to every worker, by its process."""
    workers = children(server)
    with ExitStack() as stack:
        found: dict[int, HTTPConnection] = {}
        for worker in workers:
            with halted([other for other in workers if other != worker]):
                found[worker] = stack.enter_context(closing(connection(server.url)))
                assert ask_on(found[worker], "GET", "/livez").status == 200
        yield found


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Inferpoint]:
    """Three workers, for tests that leave nothing behind."""
    with Inferpoint(tmp_path_factory.mktemp("workers") / "data", "--workers=3") as server:
        yield server


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Inferpoint]:
    """Two workers."""
    with Inferpoint(tmp_path / "data", "--workers=2", env={"TMPDIR": str(tmp_path)}) as server:
        yield server


def config(url: str, **more: Any) -> dict[str, Any]:
    return {"service": "hugging_face", "service_settings": {"api_key": "hf-test", "url": url, **more}}


def together(acts: Sequence[Callable[[], Answered]]) -> list[Answered]:
    """What several requests are answered that are sent at the same time."""
    with ThreadPoolExecutor(len(acts)) as pool:
        return [done.result() for done in [pool.submit(act) for act in acts]]


def test_what_was_answered_all_workers_know(shared: Inferpoint, embedder: Provider) -> None:
    """After a creation, an update and a deletion on one connection, no other connection meets what was before."""
    with one_each(shared) as lines:
        for line in lines.values():
            assert ask_on(line, "PUT", E, config(embedder.url)).status == 200
            assert [ask_on(each, "POST", E, {"input": "x"}).status for each in lines.values()] == [200] * 3
            secret = {"service_settings": {"api_key": "hf-other"}}
            assert ask_on(line, "PUT", f"{E}/_update", secret).status == 200
            for each in lines.values():
                embedder.asked.queue.clear()
                assert ask_on(each, "POST", E, {"input": "x"}).status == 200
                assert embedder.next().headers["authorization"] == "Bearer hf-other"
            assert ask_on(line, "DELETE", E).status == 200
            assert [ask_on(each, "GET", E).status for each in lines.values()] == [404] * 3


def test_of_many_who_create_one_wins(shared: Inferpoint, provider: Callable[..., Provider]) -> None:
    """All of them are being tried when the first is kept; the others are told that it exists, as Elasticsearch does."""
    everybody = threading.Barrier(3)

    def act(asked: Asked) -> None:
        everybody.wait(60)
        vectors(asked)

    body = config(provider(act).url)

    def put(line: HTTPConnection, name: str, *aliases: str) -> Callable[[], Answered]:
        return lambda: ask_on(line, "PUT", f"/_inference/text_embedding/{name}", {**body, "aliases": aliases})

    with one_each(shared) as lines:
        for names in (["e"], ["e"], ["e"]), (["e"], ["f", "e"], ["g", "e"]), (["e", "x"], ["f", "x"], ["g", "x"]):
            answers = together([put(line, *each) for line, each in zip(lines.values(), names, strict=True)])
            refused = [each.json["error"]["type"] for each in answers if each.status == 400]
            assert refused == ["resource_already_exists_exception"] * 2
            (kept,) = ask(shared.url, "GET", "/_inference").json["endpoints"]
            assert ask(shared.url, "DELETE", f"/_inference/{kept['inference_id']}").status == 200


def test_of_two_updates_none_is_lost_unsaid(shared: Inferpoint, provider: Callable[..., Provider]) -> None:
    """Of two that are tried at the same time one is kept, and the other is told that it was not."""
    both = threading.Barrier(2)

    def act(asked: Asked) -> None:
        if asked.headers["authorization"] != "Bearer hf-test":
            both.wait(60)
        vectors(asked)

    with one_each(shared) as lines:
        first, second, third = lines.values()
        assert ask_on(first, "PUT", E, config(provider(act).url)).status == 200
        keys = {"one": first, "two": second}
        answers = together(
            [
                lambda line=line, key=key: ask_on(line, "PUT", f"{E}/_update", {"service_settings": {"api_key": key}})
                for key, line in keys.items()
            ]
        )
        assert sorted(each.status for each in answers) == [200, 409]
        assert "currently being updated" in next(each.reason for each in answers if each.status == 409)
        assert ask_on(third, "DELETE", E).status == 200


def test_a_limit_is_that_of_the_machine(pair: Inferpoint, embedder: Provider) -> None:
    """What one worker has used no other has, also when the worker that used it was killed and another came."""
    with one_each(pair) as lines:
        first, second = lines.values()
        limited = config(embedder.url, rate_limit={"requests_per_minute": 1})
        assert ask_on(first, "PUT", f"{E}?skip_validation=true", limited).status == 200
        embedder.asked.queue.clear()
        assert ask_on(first, "POST", E, {"input": "x"}).status == 200
        refused = ask_on(second, "POST", f"{E}?timeout=1s", {"input": "x"})
        assert (refused.status, refused.headers["retry-after"] > "0") == (429, True)
    replace(pair, next(iter(lines)))
    with one_each(pair) as lines:
        for line in lines.values():
            assert ask_on(line, "POST", f"{E}?timeout=1s", {"input": "x"}).status == 429
    assert embedder.asked.qsize() == 1


def replace(server: Inferpoint, worker: int) -> None:
    """Kill a worker, and wait until as many as before take connections."""
    before = children(server)
    os.kill(worker, signal.SIGKILL)
    eventually(lambda: worker not in children(server) and len(children(server)) == len(before))
    (new,) = set(children(server)) - set(before)
    with halted([each for each in before if each != worker]), closing(connection(server.url)) as line:
        assert ask_on(line, "GET", "/readyz").json == {"status": "ready"}
    assert new in children(server)


def waiting(line: HTTPConnection) -> float:
    """How many calls wait, as `/metrics` says."""
    return counted(line, rb"inferpoint_waiting_calls (\S+)")


def counted(line: HTTPConnection, pattern: bytes) -> float:
    """A number of `/metrics`; 0 when it is not there."""
    found = re.search(rb"^" + pattern + rb"$", ask_on(line, "GET", "/metrics").body, re.MULTILINE)
    return float(found[1]) if found else 0.0


def started_at(pid: int) -> float:
    """When a process was started, as Prometheus tells it."""
    (family,) = [each for each in ProcessCollector(pid=lambda: pid, registry=None).collect() if "start" in each.name]
    return family.samples[0].value


def test_who_waits_in_a_killed_worker_keeps_nobody(pair: Inferpoint, embedder: Provider) -> None:
    """Its places are free at once, its callers see their connections end, and those of the others are answered."""

    def lost() -> bool:
        try:
            return ask_on(first, "POST", f"{E}?timeout=10m", {"input": "x"}).status != 200
        except (HTTPException, OSError):
            return True

    with one_each(pair) as lines, ThreadPoolExecutor(1) as pool:
        (worker, first), (_, second) = lines.items()
        limited = config(embedder.url, rate_limit={"requests_per_minute": 1})
        assert ask_on(first, "PUT", E, limited).status == 200
        asked = pool.submit(lost)
        eventually(lambda: waiting(second) == 1)
        os.kill(worker, signal.SIGKILL)
        eventually(lambda: waiting(second) == 0)
        assert asked.result(60)
        assert ask_on(second, "GET", E).status == 200
        pair.until(rb"A worker ended with status -9; another takes its place")


def test_metrics_are_those_of_all_workers(pair: Inferpoint, tmp_path: Path) -> None:
    """Each worker shows what all have counted, also those that are gone; nothing is left of it at the end."""
    pattern = rb'inferpoint_requests_total\{method="GET",route="/_inference",status="200"\} (\S+)'
    with one_each(pair) as lines:
        for times, line in enumerate(lines.values(), 1):
            for _ in range(times):
                assert ask_on(line, "GET", "/_inference").status == 200
        eventually(lambda: [counted(line, pattern) for line in lines.values()] == [3, 3])  # after the answer
    before = set(lines)
    replace(pair, min(before))
    with one_each(pair) as lines:
        assert set(lines) != before
        for line in lines.values():
            assert ask_on(line, "GET", "/_inference").status == 200
        eventually(lambda: [counted(line, pattern) for line in lines.values()] == [5, 5])
        started = {counted(line, rb"process_start_time_seconds (\S+)") for line in lines.values()}
        assert started == {started_at(pair.pid)}  # the oldest is the supervisor
        if os.geteuid() == 0:  # nobody else may look into a process that forbids core dumps
            files = [len(list(Path(f"/proc/{worker}/fd").iterdir())) for worker in lines]
            assert counted(next(iter(lines.values())), rb"process_open_fds (\S+)") > max(files)
    (folder,) = tmp_path.glob("inferpoint-*")
    assert len(list(folder.glob("*.db"))) == 6  # a replaced worker counts on where the other ended
    pair.tell(signal.SIGTERM)
    assert pair.ended() == 0
    assert not list(tmp_path.glob("inferpoint-*"))


def test_queues_and_caches_are_told_for_all_workers(pair: Inferpoint, embedder: Provider) -> None:
    """Whichever worker is asked: who waits in another, and what is in the caches of those that live."""
    entries, misses = rb"inferpoint_cache_entries (\S+)", rb"inferpoint_cache_misses_total (\S+)"
    depth = rb'inferpoint_queue_calls\{group="\w{12}",lane="other",service="hugging_face"\} ([1-9]\S*)'
    with one_each(pair) as lines, ThreadPoolExecutor(1) as pool:
        (worker, first), (_, second) = lines.items()
        assert ask_on(first, "PUT", E, {**config(embedder.url), "cache": {}}).status == 200
        for line in lines.values():
            assert ask_on(line, "POST", E, {"input": "x"}).headers["x-inferpoint-cache"] == "0/1"
        assert [(counted(line, entries), counted(line, misses)) for line in lines.values()] == [(2, 2), (2, 2)]
        limited = config(embedder.url, rate_limit={"requests_per_minute": 1})
        assert ask_on(first, "PUT", f"{E}-slow", limited).status == 200
        asked = pool.submit(ask_on, first, "POST", f"{E}-slow?timeout=10m", {"input": "y"})
        eventually(lambda: counted(second, depth) == 1)
        families = text_string_to_metric_families(ask_on(second, "GET", "/metrics").body.decode())
        names = [family.name for family in families]
        assert len(names) == len(set(names))
        _, slow = ask_on(second, "GET", "/_inference/_quotas").json["quotas"]
        assert (slow["inference_ids"], slow["configured"]["requests_per_minute"]) == (["e-slow"], 1)
        assert slow["waiting"]["other"]["calls"] == 1
        os.kill(worker, signal.SIGKILL)
        assert isinstance(asked.exception(60), (HTTPException, OSError))
        eventually(lambda: counted(second, entries) == 1)  # once another has taken its place


def test_a_pause_is_of_the_machine_and_ends_at_any_worker(pair: Inferpoint, provider: Callable[..., Provider]) -> None:
    """What one worker was told the other knows, with its reason and its bound; released there, it is over here."""
    asked_to_wait = [{"retry-after": "86400"}]

    def act(asked: Asked) -> None:
        if asked_to_wait:
            asked.answer({"error": "slow down"}, 429, asked_to_wait.pop())
        else:
            vectors(asked)

    busy = provider(act)
    with one_each(pair) as lines:
        first, second = lines.values()
        assert ask_on(first, "PUT", f"{E}?skip_validation=true", config(busy.url)).status == 200
        refused = ask_on(first, "POST", f"{E}?timeout=2s", {"input": "x"})
        assert (refused.status, int(refused.headers["retry-after"])) == (429, 86_400)
        (shown,) = ask_on(second, "GET", "/_inference/_quotas").json["quotas"]
        assert 30 < shown["paused_seconds"] <= 60
        assert "86400" in shown["paused_because"]
        assert ask_on(second, "POST", f"{E}?timeout=2s", {"input": "x"}).status == 429
        (released,) = ask_on(second, "POST", "/_inference/e/_quotas/_release").json["quotas"]
        assert (released["paused_seconds"], released["paused_because"]) == (0, None)
        assert [ask_on(line, "POST", f"{E}?timeout=2s", {"input": "x"}).status for line in lines.values()] == [200, 200]


@pytest.mark.parametrize("also_the_workers", [False, True], ids=["supervisor", "everybody"])
def test_what_is_in_flight_is_finished(
    pair: Inferpoint, provider: Callable[..., Provider], *, also_the_workers: bool
) -> None:
    """Told to stop, every worker answers what it has begun, whether they are told as well or not; the status is 0."""
    release = threading.Event()

    def act(asked: Asked) -> None:
        release.wait(60)
        asked.answer(said("whole"))

    slow = provider(act)
    path = "/_inference/completion/chat"
    chat = {"service": "openai", "service_settings": {"api_key": "sk-test", "model_id": "m", "url": slow.url}}
    assert ask(pair.url, "PUT", f"{path}?skip_validation=true", chat).status == 200
    with one_each(pair) as lines, ThreadPoolExecutor(2) as pool:
        workers = children(pair)
        asked = [pool.submit(ask_on, line, "POST", path, {"input": "x"}) for line in lines.values()]
        for _ in asked:
            slow.next()
        for pid in (*workers, pair.pid) if also_the_workers else (pair.pid,):
            os.kill(pid, signal.SIGTERM)
        eventually(lambda: refuses(pair))
        release.set()
        assert [each.result(60).json for each in asked] == [{"completion": [{"result": "whole"}]}] * 2
    assert pair.ended() == 0
    assert b"Traceback" not in pair.written
    assert b"ended with status" not in pair.written


def refuses(server: Inferpoint) -> bool:
    """Whether a new connection is refused."""
    try:
        with closing(connection(server.url)) as line:
            line.connect()
            return False
    except (ConnectionRefusedError, ConnectionResetError):  # reset where it was closed while it connected
        return True


def test_told_twice_it_does_not_wait(tmp_path: Path, provider: Callable[..., Provider]) -> None:
    """What is in flight is given up when the supervisor is interrupted again."""
    silent = provider(lambda asked: asked.until_left())
    flags = ("--workers=2", "--shutdown-seconds=3600")
    with Inferpoint(tmp_path / "data", *flags) as server, ThreadPoolExecutor(1) as pool:
        path = f"{E}?skip_validation=true"
        assert ask(server.url, "PUT", path, config(silent.url)).status == 200
        asked = pool.submit(ask, server.url, "POST", f"{E}?timeout=10m", {"input": "x"})
        silent.next()
        server.tell(signal.SIGINT)
        eventually(lambda: refuses(server))
        server.tell(signal.SIGINT)
        assert server.ended() == 0
        assert asked.exception(60) or asked.result().status == 500


def test_workers_end_with_their_supervisor(pair: Inferpoint) -> None:
    """When it is killed they stop, and only then the folder is free for another server."""
    with halted(children(pair)):
        pair.tell(signal.SIGKILL)
        os.waitid(os.P_PID, pair.pid, os.WEXITED | os.WNOWAIT)
        done = run(serving(pair.data_dir), environ(pair.data_dir.parent))
        assert done.stderr == f"inferpoint: The data folder {pair.data_dir} is in use by another process\n"
    pair.kill()
    with (pair.data_dir / "inferpoint.lock").open("w") as lock:

        def free() -> bool:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            return True

        eventually(free)
    assert refuses(pair)
    with Inferpoint(pair.data_dir, "--workers=2") as again:
        assert ask(again.url, "GET", "/_inference").status == 200


def test_an_interrupt_from_the_keyboard_reaches_the_supervisor_alone(pair: Inferpoint) -> None:
    """A terminal interrupts a whole group of processes, in which the workers are not: they finish as they are told."""
    with one_each(pair) as lines:
        assert os.getpgid(pair.pid) not in set(map(os.getpgid, lines))


def test_a_folder_has_one_supervisor(pair: Inferpoint) -> None:
    """A second server on the folder does not start, and the first goes on."""
    done = run(serving(pair.data_dir, "--workers=2"), environ(pair.data_dir.parent))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"inferpoint: The data folder {pair.data_dir} is in use by another process\n"
    assert ask(pair.url, "GET", "/readyz").status == 200


def test_workers_that_cannot_start_are_not_tried_again(tmp_path: Path) -> None:
    """The first says what is wrong, the supervisor that it ended, and that is all."""
    data = tmp_path / "data"
    data.mkdir()
    (data / "inferpoint.db").write_bytes(b"this is not a database at all" * 200)
    done = run(serving(data, "--workers=4"), environ(tmp_path))
    assert (done.returncode, done.stdout) == (1, "")
    assert [line.partition("Z ")[2] or line for line in done.stderr.splitlines()] == [
        "error The store cannot be opened: file is not a database",
        "inferpoint: A worker ended with status 1 before it was ready",
    ]


def test_a_worker_that_cannot_start_now_is_tried_again(pair: Inferpoint, embedder: Provider) -> None:
    """The others go on meanwhile, and as soon as it can it is there."""
    assert ask(pair.url, "PUT", E, config(embedder.url)).status == 200
    key, away = pair.data_dir / "secret.key", pair.data_dir / "away"
    before = set(children(pair))
    key.rename(away)
    os.kill(min(before), signal.SIGKILL)
    pair.until(rb"The secret key is missing[^\n]*\n\S+ warning A worker ended with status 1; another takes its place")
    assert ask(pair.url, "POST", E, {"input": "x"}).status == 200
    away.rename(key)
    with halted([max(before)]):  # so that only the new one can answer
        assert ask(pair.url, "POST", E, {"input": "x"}).status == 200


def test_the_secret_key_is_made_once(pair: Inferpoint, embedder: Provider) -> None:
    """What one worker has sealed another opens, from the first start on."""
    with one_each(pair) as lines:
        for number, line in enumerate(lines.values()):
            assert ask_on(line, "PUT", f"{E}{number}", config(embedder.url)).status == 200
        for line in lines.values():
            assert [ask_on(line, "POST", f"{E}{number}", {"input": "x"}).status for number in range(2)] == [200, 200]


def test_workers_keep_their_secrets_to_themselves(pair: Inferpoint) -> None:
    """A worker leaves no core dump, and takes no module from the folder that the server is started in."""
    for pid in (pair.pid, *children(pair)):
        assert re.search(r"Max core file size\s+0\s+0 ", Path(f"/proc/{pid}/limits").read_text("ascii"))
    for pid in children(pair):
        assert b"\0-P\0" in Path(f"/proc/{pid}/cmdline").read_bytes()


@pytest.mark.parametrize("form", ["text", "json"])
def test_lines_of_the_log_stay_whole(tmp_path: Path, form: str) -> None:
    """However many write it: each request has one line, with a long path shortened so that a pipe takes it at once."""
    paths = [f"/nowhere/{'x' * 500}", f"/nowhere/{'x' * 5000}", f"/nowhere/{'%7c' * 5000}"]

    def many(line: HTTPConnection) -> None:
        for _ in range(100):
            for path in paths:
                assert ask_on(line, "GET", path, headers={"X-Opaque-Id": "\\\xe9" * 2000}).status == 404

    with Inferpoint(tmp_path / "data", "--workers=2", f"--log-format={form}") as server:
        with one_each(server) as lines, ThreadPoolExecutor(2) as pool:
            for done in [pool.submit(many, line) for line in lines.values()]:
                done.result(60)
        server.tell(signal.SIGTERM)
        assert server.ended() == 0
    why = r'client=127\.0\.0\.1 kind=no_route reason=".*"'
    text = re.compile(rf"\S+Z info GET (\S+) 404 [\d.]+ms \d+B anonymous \w+ {why}")
    found = [
        json.loads(line).get("path") if form == "json" else (whole[1] if (whole := text.fullmatch(line)) else None)
        for line in server.written.decode().splitlines()
        if "/nowhere" in line
    ]
    assert sorted(found) == sorted([paths[0], *(each[:600] + "..." for each in paths[1:])] * 200)


def _answering(asked: Asked) -> None:
    asked.answer(said(f"{len(asked.json['messages'])}"))


def test_a_response_that_one_worker_keeps_every_worker_knows(pair: Inferpoint, tmp_path: Path) -> None:
    """A conversation goes on wherever the next request of it comes; what is deleted is deleted for all of them."""
    with Provider(_answering) as provider, one_each(pair) as workers:
        settings = {"api_key": "sk-test", "model_id": "gpt-4o", "url": f"{provider.url}/v1/chat/completions"}
        made = ask(
            pair.url, "PUT", "/_inference/chat_completion/chat", {"service": "openai", "service_settings": settings}
        )
        assert made.status == 200, made.body
        first, second = workers.values()
        body = {"model": "chat", "input": "Hello"}
        told = ask_on(first, "POST", "/v1/responses", body).json
        reference = {"type": "item_reference", "id": told["output"][0]["id"]}
        question = {"role": "user", "content": "And?"}
        for more, heard in (
            ({"previous_response_id": told["id"], "input": [question]}, "3"),
            ({"input": [reference, question]}, "2"),
        ):
            answer = ask_on(second, "POST", "/v1/responses", {**body, **more})
            assert answer.status == 200, answer.body
            assert answer.json["output"][0]["content"][0]["text"] == heard
        path = f"/v1/responses/{told['id']}"
        assert ask_on(second, "DELETE", path).status == 200
        assert ask_on(first, "GET", path).status == 404
        (file,) = tmp_path.glob("inferpoint-*/responses.sqlite")
        assert file.parent.stat().st_mode & 0o077 == 0
