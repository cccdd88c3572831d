"""Jobs at half price as a person types them, and as a server runs them."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from batch_provider import BatchProvider, Outcome, serving
from bulk_batches import moved
from raw_http import ask
from real_processes import Inferpoint, environ, eventually, run

from inferpoint import connect

PROGRAM = str(Path(sys.executable).parent / "inferpoint")
COUNT = 50


@pytest.fixture
def provider() -> BatchProvider:
    return BatchProvider(now=time.time)


@pytest.fixture
def env(provider: BatchProvider, tmp_path: Path) -> Iterator[dict[str, str]]:
    """The environment of programs whose providers are the stand-in; documents and an endpoint are in the folder."""
    lines = [json.dumps({"id": f"d{number}", "text": f"text {number}"}) for number in range(COUNT)]
    (tmp_path / "docs.jsonl").write_text("\n".join(lines))
    with serving(provider) as address:
        with connect(tmp_path / "data", validate=False) as ip:
            settings = {"api_key": "sk-example", "model_id": "m", "dimensions": 3, "url": f"{address}/v1/embeddings"}
            price = {"usd_per_million_input_tokens": 10.0}
            ip.put("e", task_type="text_embedding", service="openai", service_settings=settings, price=price)
        yield environ(tmp_path, moved(address))


def embed(folder: Path, env: dict[str, str], *words: str) -> tuple[int, str, list[dict[str, Any]]]:
    """The status of a command, what it says, and the events that it tells."""
    command = (PROGRAM, "embed", str(folder / "docs.jsonl"), "--endpoint", "e", "--to", str(folder / "out.jsonl"))
    options = ("--id", "id", "--data-dir", str(folder / "data"), "--mode", "batch", "--poll", "0s", "--json")
    done = run((*command, *options, *words), env)
    events = [json.loads(line) for line in done.stdout.splitlines()]
    return done.returncode, done.stderr, events


def test_a_job_is_done_by_batches(tmp_path: Path, env: dict[str, str], provider: BatchProvider) -> None:
    """Its rows are those of calls, for half of their price, which a dry run has told before."""
    status, said, (estimate,) = embed(tmp_path, env, "--dry-run")
    assert status == 0, said
    status, said, events = embed(tmp_path, env)
    assert status == 0, said
    counts = events[-1]["counts"]
    assert (counts["done"], counts["calls"]) == (COUNT, 1)
    assert counts["nano_usd"] == counts["tokens"] * 10_000 // 2
    assert estimate["usd_in_batches"] == pytest.approx(estimate["tokens"] * 5e-6)
    rows = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert {row["id"]: row["embedding"] for row in rows} == {
        f"d{number}": [len(f"text {number}"), 0, 1] for number in range(COUNT)
    }
    assert provider.paid.total() == COUNT


def test_a_server_by_its_address_hands_in_no_batches(tmp_path: Path, env: dict[str, str]) -> None:
    """The command says where to run the job instead."""
    with Inferpoint(tmp_path / "data", env=env) as server:
        status, said, _ = embed(tmp_path, env, "--server", server.url)
    assert status == 1
    assert "run the job there without --server" in said
    assert "POST /_inference/_jobs" in said


def test_a_server_does_its_own_jobs_by_batches(tmp_path: Path, env: dict[str, str], provider: BatchProvider) -> None:
    """And ends the batches of one that is cancelled."""
    provider.outcomes = [Outcome(), Outcome(polls=10**6)]
    (tmp_path / "rows").mkdir()
    config = {"bulk": {"places": {"here": {"address": str(tmp_path), "use": "both"}}}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    body = {
        "inference_id": "e", "source": {"place": "here", "path": "docs.jsonl"}, "id": "id", "mode": "batch",
        "poll": "1s",
    }  # fmt: skip
    with Inferpoint(tmp_path / "data", "--config", str(tmp_path / "config.json"), env=env) as server:

        def job(name: str, state: str, method: str = "GET", path: str = "", **more: Any) -> dict[str, Any]:
            told = ask(server.url, method, f"/_inference/_jobs/{name}{path}", more or None)
            while told.status == 200 and told.json["state"] == "running" != state:
                time.sleep(0.1)
                told = ask(server.url, "GET", f"/_inference/_jobs/{name}")
            assert (told.status, told.json["state"]) == (200, state), told.body
            return told.json

        for name in ("one", "two"):
            sink = {"place": "here", "path": f"rows/{name}.jsonl"}
            assert ask(server.url, "POST", "/_inference/_jobs", {**body, "name": name, "sink": sink}).status == 200
            if name == "one":
                assert job(name, "done")["counts"]["done"] == COUNT
        eventually(lambda: len(provider.batches) == 2)
        job("two", "cancelled", "POST", "/_cancel")
        eventually(lambda: [made.ended for made in provider.batches.values()] == ["completed", "cancelled"])
