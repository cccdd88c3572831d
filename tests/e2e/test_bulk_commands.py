"""Bulk jobs as a person types them: started, interrupted, gone on with, looked at; and what goes wrong, in words."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from emulated_provider import Asked, Provider, said
from real_processes import PATIENCE, Inferpoint, Program, environ, run

from inferpoint import connect

PROGRAM = str(Path(sys.executable).parent / "inferpoint")
COUNT = 600


class Embeddings:
    """A provider that counts the texts it is asked for, refuses some, and waits while it is held."""

    def __init__(self) -> None:
        self.served: Counter[str] = Counter()
        self.refuses = True
        self.going = threading.Event()
        self.going.set()
        self.asked = threading.Semaphore(0)
        self._lock = threading.Lock()

    def answer(self, asked: Asked) -> None:
        body = asked.json
        self.asked.release()
        self.going.wait(PATIENCE)
        if "messages" in body:
            text = body["messages"][0]["content"]
            asked.answer(said(text.upper()))
            return
        if "texts" in body:
            asked.answer([{"index": 0, "score": 1.0}])
            return
        inputs = body["inputs"]
        if self.refuses and any("refused" in text for text in inputs):
            asked.answer({"error": "not such a text", "error_type": "Validation"}, 422)
            return
        with self._lock:
            self.served.update(inputs)
        asked.answer([[0.6, 0.0, 0.8] for _ in inputs])


@pytest.fixture
def embeddings() -> Embeddings:
    return Embeddings()


@pytest.fixture
def folder(embeddings: Embeddings, provider: Callable[..., Provider], tmp_path: Path) -> Path:
    """A folder to type in, with endpoints in `data` and documents in `docs.jsonl`."""
    url = provider(embeddings.answer).url
    with connect(tmp_path / "data") as ip:
        settings = {"api_key": "hf", "url": url, "rate_limit": {"requests_per_minute": 100_000}}
        price = {"usd_per_thousand_calls": 0.1}
        ip.put("e", task_type="text_embedding", service="hugging_face", service_settings=settings, price=price)
        chat = {"api_key": "k", "model_id": "m", "url": f"{url}/v1/chat/completions"}
        ip.put("c", task_type="completion", service="openai", service_settings=chat)
        rerank = {"api_key": "hf", "url": f"{url}/rerank"}
        ip.put("r", task_type="rerank", service="hugging_face", service_settings=rerank)
    embeddings.served.clear()  # of trials
    embeddings.asked = threading.Semaphore(0)
    write(tmp_path, COUNT)
    return tmp_path


def write(folder: Path, count: int, refused: int = 0) -> None:
    """Documents, of which so many are refused."""
    texts = [f"text {number}{' refused' if number < refused else ''}" for number in range(count)]
    rows = [{"key": f"d{number}", "body": text, "page": number} for number, text in enumerate(texts)]
    (folder / "docs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")


def typed(folder: Path, *words: str, given: str = "", **more: str) -> subprocess.CompletedProcess[str]:
    """What a command does that is typed in *folder*."""
    env = {**environ(folder), "INFERPOINT_DATA_DIR": str(folder / "data"), **more}
    return subprocess.run(
        [PROGRAM, *words], env=env, cwd=folder, input=given, capture_output=True, text=True, timeout=120, check=False
    )


EMBED = ("embed", "docs.jsonl", "--endpoint", "e", "--text", "body", "--id", "key")


def embed(folder: Path, *words: str, to: str = "out.jsonl") -> subprocess.CompletedProcess[str]:
    return typed(folder, *EMBED, "--to", to, *words)


def rows(folder: Path, name: str = "out.jsonl") -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / name).read_text("utf-8").splitlines()]


def shown(folder: Path, name: str) -> dict[str, Any]:
    return json.loads(typed(folder, "jobs", "show", name, "-o", "json").stdout)


def problem(done: subprocess.CompletedProcess[str], status: int = 1) -> str:
    """The one or two plain lines of a command that failed."""
    assert done.returncode == status, done
    assert "Traceback" not in done.stderr
    assert not done.stdout
    lines = done.stderr.splitlines()
    assert len(lines) in (1, 2)
    return lines[-1].removeprefix("inferpoint: ")


def test_a_job_is_done_once(folder: Path, embeddings: Embeddings) -> None:
    """Each document is a row with its id and what was kept; the same command again has nothing left to do."""
    first = embed(folder, "--keep", "page", "--job", "docs")
    assert first.returncode == 0, first.stderr
    assert first.stderr.startswith(f"The job [docs] begins: {COUNT} items of docs.jsonl by [e]\n")
    assert re.search(
        rf"│ docs +│ done +│ {COUNT} +│ {COUNT} +│ 0 +│ {COUNT} +│ \d+ +│ \$0\.\d+ +│ 0:\d\d │", first.stdout
    )
    assert sorted(row["page"] for row in rows(folder)) == list(range(COUNT))
    assert {row["id"] for row in rows(folder)} == {f"d{number}" for number in range(COUNT)}
    asked = embeddings.served.total()
    again = embed(folder, "--keep", "page", "--job", "docs")
    assert again.returncode == 0
    assert "is done already: nothing is left to do" in again.stderr
    assert embeddings.served.total() == asked == COUNT
    verified = typed(folder, "jobs", "verify", "docs", "-o", "json")
    assert verified.returncode == 0
    assert json.loads(verified.stdout)["right"]
    whole = shown(folder, "docs")
    assert whole["state"] == "done"
    assert whole["counts"]["done"] == COUNT
    assert whole["pinned"]["space"]["dimensions"] == 3
    listed = json.loads(typed(folder, "jobs", "list", "-o", "json").stdout)
    assert [(row["name"], row["done"]) for row in listed] == [("docs", COUNT)]
    assert typed(folder, "jobs", "delete", "docs").stdout == "Deleted docs\n"
    assert typed(folder, "jobs", "list").stdout == "none\n"


def test_without_a_name_what_it_does_is_one(folder: Path, embeddings: Embeddings) -> None:
    """The same command goes on with the same job, another one starts another."""
    assert embed(folder).returncode == embed(folder, "--shards", "2").returncode == 0
    assert embed(folder, "--limit", "10", to="ten.jsonl").returncode == 0
    listed = json.loads(typed(folder, "jobs", "list", "-o", "json").stdout)
    assert sorted(row["items"] for row in listed) == [10, COUNT]
    assert all(row["name"].startswith("docs-jsonl-") for row in listed)
    assert embeddings.served.total() == COUNT + 10


def test_events_are_json(folder: Path) -> None:
    """With `--json` standard output is an event a line, from the start to the end."""
    done = embed(folder, "--json", "--job", "docs")
    assert done.returncode == 0
    assert not done.stderr
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert [events[0]["event"], events[-1]["event"]] == ["started", "finished"]
    assert events[0]["spec"]["source"] == "docs.jsonl"
    assert events[-1]["counts"]["done"] == COUNT
    assert events[-1]["state"] == "done"


def test_items_that_fail_are_named_and_tried_again(folder: Path, embeddings: Embeddings) -> None:
    """Some failures are status 3; each has its reason; after `retry` the job does them, and no other again."""
    write(folder, COUNT, refused=5)
    done = embed(folder, "--job", "docs")
    assert done.returncode == 3, done.stderr
    assert "inferpoint jobs failures docs" in done.stderr
    failures = json.loads(typed(folder, "jobs", "failures", "docs", "-o", "json").stdout)
    assert [(row["id"], row["kind"]) for row in failures] == [(f"d{number}", "refused") for number in range(5)]
    assert all("not such a text" in row["message"] for row in failures)
    assert "not such a text" in typed(folder, "jobs", "failures", "docs").stdout
    embeddings.refuses = False
    assert typed(folder, "jobs", "retry", "docs").stdout.startswith(
        "Items to be tried again: 5: inferpoint jobs work docs"
    )
    assert typed(folder, "jobs", "work", "docs").returncode == 0
    assert len(rows(folder)) == COUNT == shown(folder, "docs")["counts"]["done"]
    assert set(embeddings.served.values()) == {1}
    assert typed(folder, "jobs", "retry", "docs").stdout == "No item has failed\n"


@pytest.mark.parametrize("words", [["--max-failed", "0.1%"], ["--on-error", "stop"]], ids=lambda words: words[0])
def test_more_failures_than_may_stop_a_job(folder: Path, words: list[str]) -> None:
    """The bound is status 4, and tells how many failed; a higher one goes on with the same job."""
    write(folder, COUNT, refused=5)
    done = embed(folder, "--job", "docs", *words)
    assert done.returncode == 4
    assert re.search(r"The job \[docs\] is stopped: \[\d\] items have failed, and \[0\] may", done.stderr)
    assert embed(folder, "--job", "docs", "--max-failed", "50%").returncode == 3
    assert len(rows(folder)) == COUNT - 5


def test_a_source_that_changed_is_told(folder: Path) -> None:
    """A changed source is status 5; a job of another specification is refused by what differs."""
    assert embed(folder, "--job", "docs").returncode == 0
    write(folder, COUNT + 1)
    assert "The source has changed since the job began: docs.jsonl" in problem(embed(folder, "--job", "docs"), 5)
    assert problem(embed(folder, "--job", "docs", to="other.jsonl")) == (
        "The job [docs] is one with [sink] [out.jsonl] and not [other.jsonl]: a job of another name does that"
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_job_goes_on(folder: Path, embeddings: Embeddings, number: signal.Signals) -> None:
    """A signal has what is in flight written down, in status 130, and the same command asks for nothing twice."""
    embeddings.going.clear()
    command = [PROGRAM, *EMBED, "--to", "out.jsonl", "--job", "docs"]
    env = {**environ(folder), "INFERPOINT_DATA_DIR": str(folder / "data")}
    with Program(command, env, cwd=folder) as program:
        embeddings.asked.acquire(timeout=PATIENCE)
        program.tell(number)
        program.until(rb"Finishing what is in flight .* To go on, the same command, or: inferpoint jobs work docs")
        embeddings.going.set()
        assert program.ended() == 130
        assert b"interrupted" in program.written
    assert shown(folder, "docs")["state"] == "running"
    assert embed(folder, "--job", "docs").returncode == 0
    assert len(rows(folder)) == COUNT
    assert set(embeddings.served.values()) == {1}


def test_a_second_interrupt_ends_it_at_once(folder: Path, embeddings: Embeddings) -> None:
    """Whoever does not wait for a provider that hangs need not; the job goes on nevertheless."""
    embeddings.going.clear()
    command = [PROGRAM, *EMBED, "--to", "out.jsonl", "--job", "docs"]
    env = {**environ(folder), "INFERPOINT_DATA_DIR": str(folder / "data")}
    with Program(command, env, cwd=folder) as program:
        embeddings.asked.acquire(timeout=PATIENCE)
        program.tell(signal.SIGINT)
        program.until(rb"Finishing")
        program.tell(signal.SIGINT)
        assert program.ended() == 130
    embeddings.going.set()
    assert embed(folder, "--job", "docs").returncode == 0
    assert len(rows(folder)) == COUNT


def test_a_job_is_paused_resumed_and_cancelled(folder: Path, embeddings: Embeddings) -> None:
    """What others say of a job that is worked on ends the work; resumed it goes on, and cancelled never again."""
    embeddings.going.clear()
    command = [PROGRAM, *EMBED, "--to", "out.jsonl", "--job", "docs"]
    env = {**environ(folder), "INFERPOINT_DATA_DIR": str(folder / "data")}
    with Program(command, env, cwd=folder) as program:
        embeddings.asked.acquire(timeout=PATIENCE)
        assert typed(folder, "jobs", "pause", "docs").stdout == "Paused docs\n"
        embeddings.going.set()
        assert program.ended() == (130 if shown(folder, "docs")["state"] == "paused" else 0)
    assert problem(typed(folder, "jobs", "work", "docs")) == "The job [docs] is paused"
    assert typed(folder, "jobs", "resume", "docs").stdout == "Resumed docs: inferpoint jobs work docs\n"
    assert typed(folder, "jobs", "cancel", "docs").stdout == "Cancelled docs\n"
    assert "was cancelled" in problem(embed(folder, "--job", "docs"))
    assert problem(typed(folder, "jobs", "resume", "docs")) == "The job [docs] is cancelled"


def test_a_dry_run_tells_what_it_would_take(folder: Path, embeddings: Embeddings) -> None:
    """Items, calls, tokens, time and price are told; nothing is called, and nothing written."""
    done = embed(folder, "--dry-run")
    assert done.returncode == 0, done.stderr
    lines = dict(line.split(maxsplit=1) for line in done.stdout.splitlines())
    assert lines["items"] == f"{COUNT}"
    assert lines["calls"] == "19 at least"
    assert re.fullmatch(r"[\d,]+ \(± \d\d%, by the bytes of \d+ of them\)", lines["tokens"])
    assert lines["price"].startswith("$0.0019 ±")
    told = json.loads(embed(folder, "--dry-run", "--json", "--limit", "64").stdout)
    assert (told["event"], told["items"], told["calls"]) == ("estimate", 64, 2)
    assert not embeddings.served
    assert not (folder / "out.jsonl").exists()
    assert not (folder / "data" / "jobs").exists()


def test_prompts_are_completed(folder: Path) -> None:
    """`complete` has each prompt of a column answered, and takes no endpoint that embeds."""
    (folder / "prompts.csv").write_text("id,prompt\na,one\nb,two\n", "utf-8")
    words = ("complete", "prompts.csv", "--text", "prompt", "--id", "id", "--to", "answers.jsonl")
    done = typed(folder, *words, "--endpoint", "c")
    assert done.returncode == 0, done.stderr
    assert {row["id"]: row["completion"] for row in rows(folder, "answers.jsonl")} == {"a": "ONE", "b": "TWO"}
    assert "`inferpoint embed`" in problem(typed(folder, *words, "--endpoint", "e"))


def test_standard_input_is_a_source(folder: Path, embeddings: Embeddings) -> None:
    """What is piped in is kept, so that the job by its name goes on without it."""
    text = (folder / "docs.jsonl").read_text("utf-8")
    words = ("embed", "-", "--endpoint", "e", "--text", "body", "--id", "key", "--to", "out.jsonl")
    assert "needs a name" in problem(typed(folder, *words, given=text))
    assert typed(folder, *words, "--job", "piped", given=text).returncode == 0
    assert typed(folder, *words, "--job", "piped").returncode == 0
    assert len(rows(folder)) == COUNT == embeddings.served.total()


@pytest.fixture
def serving(folder: Path) -> Iterator[Inferpoint]:
    with Inferpoint(folder / "data") as running:
        yield running


def test_a_server_is_asked(folder: Path, embeddings: Embeddings, serving: Inferpoint) -> None:
    """Of a folder that a server has it is told what to do; the server does the same work, and tells its calls."""
    assert "in use by another process: where that is a server, ask it by --server http://127.0.0.1:9210" in problem(
        embed(folder)
    )
    done = embed(folder, "--server", serving.url, "--job", "docs")
    assert done.returncode == 0, done.stderr
    assert len(rows(folder)) == COUNT
    assert set(embeddings.served.values()) == {1}
    assert shown(folder, "docs")["counts"]["calls"] > 0


def test_a_terminal_has_a_bar(folder: Path) -> None:
    """Where standard error is a terminal, a bar says how far the job is; standard output has the result alone."""
    leader, follower = pty.openpty()
    env = {**environ(folder), "INFERPOINT_DATA_DIR": str(folder / "data"), "TERM": "xterm", "COLUMNS": "120"}
    command = [PROGRAM, *EMBED, "--to", "out.jsonl"]
    with subprocess.Popen(command, env=env, cwd=folder, stdout=subprocess.PIPE, stderr=follower) as program:
        os.close(follower)
        written = b""
        try:
            while piece := os.read(leader, 65536):
                written += piece
        except OSError:  # a terminal without a program is one that cannot be read
            pass
        assert program.stdout
        printed = program.stdout.read().decode()
    os.close(leader)
    assert program.returncode == 0
    assert f"0 of {COUNT}".encode() in written
    assert "━" in written.decode()
    assert "done" in printed
    assert "\x1b" not in printed


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["embed", "none.jsonl", "--endpoint", "e", "--to", "o.jsonl"], "[none.jsonl] names no file that is there"),
        (
            ["embed", "docs.jsonl", "--endpoint", "e", "--to", "o.jsonl"],
            "The record has no field [text]; it has [key], [body], [page]",
        ),
        ([*EMBED[:3], "none", *EMBED[4:], "--to", "o.jsonl"], "Inference endpoint not found [none]"),
        (
            [*EMBED[:3], "c", *EMBED[4:], "--to", "o.jsonl"],
            "[c] is for [completion]: `inferpoint complete` has prompts completed",
        ),
        (
            [*EMBED[:3], "r", *EMBED[4:], "--to", "o.jsonl"],
            "[r] is for [rerank], which is about one question at a time",
        ),
        ([*EMBED, "--to", "ftp://a/b"], "[ftp://a/b]"),
        ([*EMBED, "--to", "o.txt"], "[o.txt] has no format"),
        ([*EMBED, "--to", "o.jsonl", "--job", "No Name"], "[No Name] is no name of a job"),
        ([*EMBED, "--to", "o.jsonl", "--task-settings", "[]"], "--task-settings is no JSON object"),
        (["embed", "s3:/docs", "--endpoint", "e", "--to", "o.jsonl"], "s3:/docs"),
        (["jobs", "show", "none"], "There is no job [none]"),
        (["jobs", "failures", "none"], "There is no job [none]"),
        (["jobs", "verify", "none"], "There is no job [none]"),
        ([*EMBED, "--to", "o.jsonl", "--server", "http://127.0.0.1:1"], "Could not reach [http://127.0.0.1:1/"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_wrong_is_told_in_a_line(folder: Path, embeddings: Embeddings, words: list[str], told: str) -> None:
    """Nothing is asked, and one or two plain lines say what is wrong and what to do."""
    assert told in problem(typed(folder, *words))
    assert not embeddings.served


@pytest.mark.parametrize(
    "words",
    [["embed"], ["embed", "docs.jsonl", "--to", "o"], [*EMBED, "--to", "o", "--max-failed", "some"], ["jobs", "show"]],
)
def test_what_cannot_be_understood_ends_with_its_usage(folder: Path, words: list[str]) -> None:
    """A command that misses something is status 2, and says what."""
    done = typed(folder, *words)
    assert done.returncode == 2
    assert "Usage: inferpoint" in done.stderr


def test_jobs_in_another_folder(folder: Path) -> None:
    """`INFERPOINT_JOBS` says where jobs are written down."""
    done = typed(folder, *EMBED, "--to", "out.jsonl", "--job", "docs", INFERPOINT_JOBS=str(folder / "books"))
    assert done.returncode == 0
    assert (folder / "books" / "jobs.db").exists()
    assert typed(folder, "jobs", "list").stdout == "none\n"


def test_help_says_what_statuses_mean(tmp_path: Path) -> None:
    """The options and the statuses of both commands are printed."""
    for command in ("embed", "complete"):
        done = run([PROGRAM, command, "--help"], environ(tmp_path))
        assert done.returncode == 0
        assert "--endpoint" in done.stdout
        assert "130 when interrupted" in " ".join(done.stdout.split())
