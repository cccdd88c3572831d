"""A provider that would switch its callers off: by endless failures of one model, days to wait, limits of one token.

Others call it as well, of other rate groups: each of their calls must be answered all the while. What it asks for is
believed for as long as FLAGS say, and whoever creates an endpoint is not made to wait for it.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event

from emulated_provider import Asked, Provider, vectors
from raw_http import Answered, ask
from victim import Victim

FLAGS = ("--longest-pause-seconds=1",)
SECONDS = 3.0  # of failures, for which others are served beside them
PAUSE = 0.1  # seconds between the calls of those: seldom enough that most calls to the address fail
HASTY = 8  # callers of the model that fails, each with so little time that its tries would go first
A_DAY = {"retry-after": "86400"}
ONE_TOKEN = {
    "x-ratelimit-limit-tokens": "1",
    "x-ratelimit-remaining-tokens": "0",
    "x-ratelimit-reset-tokens": "2m0s",
}
ANSWER = {"data": [{"index": 0, "embedding": [0.5]}], "usage": {"prompt_tokens": 1000, "total_tokens": 1000}}

_TEXTS = itertools.count()


class Hostile:
    """What the provider answers: by the last part of the path."""

    def __init__(self) -> None:
        self.throttled = 0

    def act(self, asked: Asked) -> None:
        """Answer one call."""
        match asked.path.rpartition("/")[2]:
            case "failing":
                asked.answer({"error": "overloaded"}, 503)
            case "throttled" if not self.throttled:
                self.throttled += 1
                asked.answer({"error": "slow down"}, 429, A_DAY)
            case "always":
                asked.answer({"error": "slow down"}, 429, A_DAY)
            case "embeddings":
                asked.answer(ANSWER, headers=ONE_TOKEN)
            case _:
                vectors(asked)


def attack(victim: Victim) -> None:
    with Provider(Hostile().act) as provider:
        for name in ("failing", "healthy", "throttled"):
            victim.put(name, f"{provider.url}/{name}")
        _beside_failures(victim)
        _after_a_day(victim, provider)
        _with_limits_of_one_token(victim, provider)


def _beside_failures(victim: Victim) -> None:
    """Another model at the address of one that fails answers every call."""
    with _hasty(victim) as failed:
        over = time.monotonic() + SECONDS
        while time.monotonic() < over:
            assert _infer(victim, "healthy").status == 200
            time.sleep(PAUSE)
    assert failed


def _after_a_day(victim: Victim, provider: Provider) -> None:
    """Who asks is told of the day, and answered as soon as the bound of a pause is over; a trial does not wait."""
    refused = _infer(victim, "throttled")
    assert (refused.status, refused.headers["retry-after"]) == (429, "86400")
    assert _infer(victim, "throttled", "30s").status == 200
    begun = time.monotonic()
    settings = {"api_key": "made-up", "url": f"{provider.url}/always"}
    tried = ask(
        victim.url, "PUT", "/_inference/text_embedding/new", {"service": "hugging_face", "service_settings": settings}
    )
    assert tried.status == 429, tried.body
    assert time.monotonic() - begun < 10  # seconds: five of patience, and a busy machine


def _with_limits_of_one_token(victim: Victim, provider: Provider) -> None:
    """Calls of a thousand tokens are not charged with what they would cost at a pace of one in two minutes."""
    settings = {"api_key": "made-up", "model_id": "m", "url": f"{provider.url}/v1/embeddings"}
    path = "/_inference/text_embedding/far?skip_validation=true"
    made = ask(victim.url, "PUT", path, {"service": "openai", "service_settings": settings})
    assert made.status == 200, made.body
    for _ in range(2):
        assert _infer(victim, "far", "30s").status == 200


@contextmanager
def _hasty(victim: Victim) -> Iterator[list[int]]:
    """Callers of what fails, who come again at once, and the statuses of what they were answered."""
    over, statuses = Event(), list[int]()

    def call() -> None:
        while not over.is_set():
            statuses.append(_infer(victim, "failing", "1500ms").status)

    with ThreadPoolExecutor(HASTY) as pool:
        calls = [pool.submit(call) for _ in range(HASTY)]
        try:
            yield statuses
        finally:
            over.set()
        for done in calls:
            done.result()


def _infer(victim: Victim, inference_id: str, timeout: str = "2s") -> Answered:
    """One embedding, of a text that no other call shares."""
    return ask(victim.url, "POST", f"/_inference/{inference_id}?timeout={timeout}", {"input": str(next(_TEXTS))})
