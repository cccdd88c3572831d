"""Bulk jobs of a real server, asked by the official client: worked on, paused, killed, and none lost or there twice."""

from __future__ import annotations

import json
import os
import re
import signal
import struct
import threading
import time
from base64 import b64encode
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from elasticsearch import ApiError, Elasticsearch
from emulated_provider import Asked, Provider
from raw_http import ask
from real_processes import Inferpoint, eventually

from inferpoint.bulk.job import UNCOMMITTED

JOBS = "/_inference/_jobs"
ITEMS = 40_000
FILE = """
bulk:
  places:
    docs: {{address: "{folder}/docs", use: source}}
    vectors: {{address: "{folder}/vectors", use: sink}}
"""
Serve = Callable[..., Inferpoint]
BODY: dict[str, Any] = {
    "name": "all",
    "inference_id": "docs",
    "source": {"place": "docs", "path": "2026/"},
    "sink": {"place": "vectors", "path": "all.jsonl"},
    "id": "id",
}


class Counting:
    """A provider at `url` that takes its time, and counts how often it is asked for each text."""

    def __init__(self) -> None:
        self.url = ""
        self._counts: Counter[str] = Counter()
        self._lock = threading.Lock()

    def __call__(self, asked: Asked) -> None:
        texts: list[str] = asked.json["input"]
        with self._lock:
            self._counts.update(texts)
        time.sleep(0.2)
        row: Any = [0.5, 1.0, 2.0]
        if asked.json.get("encoding_format") == "base64":
            row = b64encode(struct.pack("<3f", *row)).decode()
        data = [{"object": "embedding", "index": index, "embedding": row} for index, _ in enumerate(texts)]
        usage = {"prompt_tokens": len(texts), "total_tokens": len(texts)}
        asked.answer({"object": "list", "model": "m", "data": data, "usage": usage})

    @property
    def different(self) -> int:
        """How many different texts it was asked for."""
        with self._lock:
            return len(self._counts)

    @property
    def again(self) -> int:
        """How many texts it was asked for beyond once each."""
        with self._lock:
            return self._counts.total() - len(self._counts)


@pytest.fixture
def slow() -> Iterator[Counting]:
    """A provider of this test's own."""
    counting = Counting()
    with Provider(counting) as running:
        counting.url = running.url
        yield counting


@pytest.fixture
def serve(tmp_path: Path) -> Serve:
    """A function that starts a server with places, on the same folder each time."""
    for name in ("docs/2026", "vectors"):
        (tmp_path / name).mkdir(parents=True)
    half = ITEMS // 2
    for part in (0, 1):
        lines = (json.dumps({"id": f"d{n}", "text": f"t{n} words"}) for n in range(part * half, (part + 1) * half))
        (tmp_path / f"docs/2026/{part}.jsonl").write_text("\n".join(lines))
    file = tmp_path / "inferpoint.yaml"
    file.write_text(FILE.format(folder=tmp_path))

    def start(*flags: str) -> Inferpoint:
        return Inferpoint(tmp_path / "data", f"--config={file}", *flags)

    return start


def endpoint(server: Inferpoint, provider: Counting) -> None:
    """Make the endpoint of the jobs."""
    settings = {
        "api_key": "sk-test",
        "model_id": "m",
        "url": f"{provider.url}/v1/embeddings",
        "rate_limit": {"requests_per_minute": 60_000},
    }
    config = {"service": "openai", "service_settings": settings}
    assert ask(server.url, "PUT", "/_inference/text_embedding/docs", config).status == 200


class Client:
    """Asks a server for jobs by the official client."""

    def __init__(self, server: Inferpoint) -> None:
        self._client = Elasticsearch(server.url)

    def __call__(self, method: str, path: str = "", body: Any = None) -> Any:
        headers = {"accept": "application/json", "content-type": "application/json"}
        return self._client.perform_request(method, f"{JOBS}{path}", headers=headers, body=body).body

    @property
    def done(self) -> int:
        """How many items are done."""
        return self("GET", "/all")["counts"]["done"]

    def until(self, state: str) -> Any:
        """The job, once it is in *state*."""
        eventually(lambda: self("GET", "/all")["state"] == state)
        return self("GET", "/all")


def whole(client: Client, folder: Path, provider: Counting, most_again: int) -> None:
    """Every item is in the sink once, the books say so, and no more was asked for again than may be."""
    verified = client("POST", "/all/_verify")
    assert verified["right"], verified
    assert (verified["items"], verified["done"], verified["rows"]) == (ITEMS, ITEMS, ITEMS)
    lines = (folder / "vectors/all.jsonl").read_text().splitlines()
    assert Counter(json.loads(line)["id"] for line in lines) == Counter(f"d{n}" for n in range(ITEMS))
    assert provider.different == ITEMS + 1  # and the one by which the endpoint was tried
    assert provider.again <= most_again


def test_a_job_is_started_paused_resumed_and_done(tmp_path: Path, serve: Serve, slow: Counting) -> None:
    """By the client's own way to ask for what it has no method for; several workers share it, and count together."""
    with serve("--workers=2") as server:
        endpoint(server, slow)
        client = Client(server)
        assert client("POST", body=BODY)["state"] == "running"
        eventually(lambda: client.done > 0)
        assert client("POST", "/all/_pause")["state"] == "paused"
        eventually(lambda: _metric(server, "inferpoint_jobs_in_work") == 0)
        before = client.done
        assert before < ITEMS
        assert client("GET", "/all")["counts"]["done"] == before
        assert client("POST", "/all/_resume")["state"] == "running"
        job = client.until("done")
        assert (job["counts"]["done"], job["counts"]["failed"], job["counts"]["tokens"]) == (ITEMS, 0, ITEMS)
        whole(client, tmp_path, slow, most_again=0)
        assert _metric(server, 'inferpoint_job_items_total{outcome="done"}') == ITEMS
        assert client("POST", body=BODY)["state"] == "done"  # started again it says so
        assert client("GET")["count"] == 1
        with pytest.raises(ApiError) as refused:
            client("POST", body={**BODY, "source": {"place": "docs", "path": "../secrets"}})
        assert refused.value.status_code == 400
        client("DELETE", "/all")
        assert client("GET")["count"] == 0
        assert str(tmp_path / "docs").encode() not in server.written


def _metric(server: Inferpoint, name: str) -> float:
    text = ask(server.url, "GET", "/metrics").body.decode()
    match = re.search(rf"^{re.escape(name)} ([\d.]+)$", text, re.MULTILINE)
    return float(match[1]) if match else 0.0


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_job_outlives_its_server(tmp_path: Path, serve: Serve, slow: Counting, number: signal.Signals) -> None:
    """Killed in the middle, or told to stop, it goes on with the next server at once: none lost, none twice."""
    with serve() as server:
        endpoint(server, slow)
        client = Client(server)
        client("POST", body=BODY)
        eventually(lambda: client.done > 0)
        server.tell(number)
        assert server.ended() == (0 if number is signal.SIGTERM else -number)
    assert slow.different < ITEMS
    with serve() as server:
        client = Client(server)
        client.until("done")
        whole(client, tmp_path, slow, most_again=UNCOMMITTED if number is signal.SIGKILL else 0)


def test_a_killed_worker_loses_nothing(tmp_path: Path, serve: Serve, slow: Counting) -> None:
    """Of two, the other one and the one that takes its place go on with what it had."""
    with serve("--workers=2") as server:
        endpoint(server, slow)
        client = Client(server)
        client("POST", body=BODY)
        eventually(lambda: client.done > 0)
        children = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()
        os.kill(int(children[0]), signal.SIGKILL)
        eventually(lambda: client.done == ITEMS)
        client.until("done")
        whole(client, tmp_path, slow, most_again=UNCOMMITTED)
