"""The benchmark of `make bench-quota`, shortened: that everybody is served rightly, not how fast; and its provider."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from raw_http import Answered, ask
from real_processes import ROOT, Program, environ, run

BENCHMARKS = ROOT / "benchmarks"
HELD = (
    "wrong answers",
    "calls that the provider refused",
    "callers without their vector",
    "texts without their vector",
    "the caller's status",
    "documents lost",
    "texts embedded twice",
)


@pytest.mark.parametrize("scenario", ["merge", "pack", "cache", "storm-429"])
def test_everybody_is_served_rightly(home: Path, scenario: str) -> None:
    """Every vector is its text's, nothing is lost or paid for twice, and no limit is met without need."""
    output = home / f"{scenario}.json"
    command = [sys.executable, "-m", "quota", f"--only={scenario}", "--seconds=2", "--times=1", f"--output={output}"]
    done = run(command, environ(home, {"PYTHONPATH": str(BENCHMARKS)}))
    assert done.returncode == 0, done.stderr
    held = [row for row in json.loads(output.read_text()) if row["what"] in HELD]
    assert held
    assert [row for row in held if not row["met"]] == []


@pytest.fixture
def limited(home: Path) -> Iterator[str]:
    """The address of the benchmark's provider."""
    with Program([sys.executable, str(BENCHMARKS / "limited_provider.py")], environ(home)) as program:
        yield program.until(rb"listening on (http://127\.0\.0\.1:\d+)")[1].decode()


def embedded(url: str, texts: list[str]) -> Answered:
    headers = {"Authorization": "Bearer sk-test", "Content-Type": "application/json"}
    return ask(url, "POST", "/v1/embeddings", {"model": "m", "input": texts}, headers)


def ledger(url: str) -> Any:
    return ask(url, "GET", "/stats").json["sk-test m"]


def test_the_provider_never_gives_more_than_its_limit(limited: str) -> None:
    """Whoever asks without pause gets what the bucket holds and what has flowed in since; the others are told when."""
    assert ask(limited, "POST", "/configure", {"requests_per_minute": 600, "latency": 0}).status == 200
    began = time.monotonic()
    answers = [embedded(limited, [f"text {number}"]) for number in range(100)]
    allowed = 10 + 10 * (time.monotonic() - began)
    taken = [answer for answer in answers if answer.status == 200]
    refused = [answer for answer in answers if answer.status == 429]
    assert len(taken) <= allowed
    assert len(taken) + len(refused) == 100
    assert refused, "it answered slower than its limit"
    for answer in refused:
        assert 0 < int(answer.headers["retry-after-ms"]) <= 100
        assert answer.headers["retry-after"] == "1"
        assert answer.headers["x-ratelimit-limit-requests"] == "600"
        assert answer.headers["x-ratelimit-remaining-requests"] == "0"
        assert answer.json["error"]["code"] == "rate_limit_exceeded"
    told = ledger(limited)
    assert (len(told["calls"]), told["refused"], told["distinct"]) == (
        len(taken),
        {"requests": len(refused)},
        len(taken),
    )


def test_the_provider_counts_tokens_by_the_minute(limited: str) -> None:
    """A call that the bucket has too few tokens for waits for them to flow in; one that it never holds is told so."""
    limits = {"tokens_per_minute": 60, "tokens_at_once": 20, "bytes_a_token": 1}
    assert ask(limited, "POST", "/configure", limits).status == 200
    assert embedded(limited, ["a" * 20]).json["usage"]["total_tokens"] == 20
    later = embedded(limited, ["b" * 10])
    assert later.status == 429
    assert 8_000 < int(later.headers["retry-after-ms"]) <= 10_000
    never = embedded(limited, ["c" * 21])
    assert never.status == 429
    assert "retry-after" not in never.headers
    assert never.json["error"]["message"].startswith("Request too large for m")


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        (["a", "b", "c"], "Invalid 'input': array too long. Expected an array with maximum length 2,"),
        (["a" * 44], "Requested 11 tokens, max 10 tokens per request"),
    ],
)
def test_the_provider_refuses_what_a_call_may_not_have(limited: str, texts: list[str], said: str) -> None:
    """More items or tokens than a call may have are refused in OpenAI's words, and cost nothing."""
    assert ask(limited, "POST", "/configure", {"items_a_call": 2, "tokens_a_call": 10}).status == 200
    answer = embedded(limited, texts)
    assert answer.status == 400
    assert answer.json["error"]["message"].startswith(said)
    assert ledger(limited)["calls"] == []


def test_the_provider_storms_when_it_is_told(limited: str) -> None:
    """From the first moment of the storm to its last, the share of calls that it is told of fails."""
    storm = {"begins": 0, "lasts": 600, "status": 503, "share": 0.5, "retry_after": 2}
    assert ask(limited, "POST", "/configure", {"storm": storm, "latency": 0}).status == 200
    answers = [embedded(limited, [f"text {number}"]) for number in range(100)]
    failed = [answer for answer in answers if answer.status == 503]
    assert 30 <= len(failed) <= 70
    assert {answer.headers["retry-after"] for answer in failed} == {"2"}
    storm = {**storm, "begins": 600}
    assert ask(limited, "POST", "/configure", {"storm": storm}).status == 200
    assert embedded(limited, ["before the storm"]).status == 200
