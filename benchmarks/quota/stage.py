"""What a scenario plays on: the provider and the server, each a process, and what is asked of them."""

from __future__ import annotations

import itertools
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from processes import started
from quota.asker import Answer, Asker
from quota.limits import Ledger, Limits
from quota.texts import wrong

MODEL = "text-embedding-3-small"
_NUMBERS = itertools.count(1)
INPUTS = ("--max-inputs=20000",)  # a scenario sends as many in one request


class UnknownError(Exception):
    """The server does not know what a scenario is about."""


@dataclass(frozen=True)
class Row:
    """A line of the table. `met` is None where there is no target."""

    scenario: str
    what: str
    measured: str
    target: str = ""
    met: bool | None = None


@dataclass(frozen=True)
class Endpoint:
    """An inference endpoint, and the key that its provider knows it by."""

    inference_id: str
    kind: str
    key: str

    @property
    def path(self) -> str:
        """Where it is asked."""
        return f"/_inference/{self.kind}/{self.inference_id}"


class Stage:
    """A provider and a server. `seconds` is how long a scenario of a minute lasts, `times` how often a short one is."""

    def __init__(self, provider: str, server: str, seconds: float, times: int, folder: Path) -> None:
        self.url = provider
        self.seconds = seconds
        self.times = times
        self.folder = folder
        self.address = server
        self.server = Asker(server)
        self._provider = Asker(provider)

    async def limit(self, limits: Limits) -> None:
        """Have the provider begin anew with these limits."""
        answer = await self._provider.ask("POST", "/configure", limits)
        assert answer.status == 200, answer.body

    async def ledger(self, key: str, model: str = MODEL) -> Ledger:
        """What the provider decided for a key."""
        answer = await self._provider.ask("GET", "/stats")
        ledgers = msgspec.json.decode(answer.body, type=dict[str, Ledger])
        return ledgers.get(f"{key} {model}", Ledger())

    async def endpoint(self, kind: str, rate: dict[str, Any], **more: Any) -> Endpoint:
        """A new endpoint with a key, and so a queue, of its own; `UnknownError` when the server cannot have it so."""
        number = next(_NUMBERS)
        path = "/v1/chat/completions" if kind == "completion" else "/v1/embeddings"
        made = Endpoint(f"bench-{number}", kind, f"sk-bench-{number}")
        settings = {"api_key": made.key, "model_id": MODEL, "url": self.url + path, "rate_limit": rate}
        config = {"service": "openai", "service_settings": settings, **more}
        answer = await self.server.ask("PUT", f"{made.path}?skip_validation=true", config)
        if answer.status == 400:
            raise UnknownError(answer.json["error"]["reason"])
        assert answer.status == 200, answer.body
        return made

    async def embed(
        self, endpoint: Endpoint, given: Sequence[str], patience: str = "30s", user: str = "", **more: Any
    ) -> Answer:
        """One request. Those of different users are never one call."""
        body = {"input": given, **({"task_settings": {"user": user}} if user else {}), **more}
        return await self.server.ask("POST", f"{endpoint.path}?timeout={patience}", body)


def vectors(answer: Answer) -> list[list[float]]:
    """Those of an answer."""
    return [row["embedding"] for row in answer.json["text_embedding"]]


def unserved(given: Sequence[str], answer: Answer) -> int:
    """How many of these texts did not get their vector."""
    return wrong(given, vectors(answer)) if answer.status == 200 else len(given)


def quantile(values: Sequence[float], place: float) -> float:
    """The value at a *place* from 0 to 1 in their order."""
    return sorted(values)[min(len(values) - 1, int(len(values) * place))]


def tally(counts: Mapping[Any, int]) -> str:
    """Counts in words."""
    return ", ".join(f"{count} of {what}" for what, count in sorted(counts.items())) or "none"


def flags() -> str:
    """What `inferpoint serve` takes."""
    command = [sys.executable, "-m", "inferpoint", "serve", "--help"]
    return subprocess.run(command, capture_output=True, check=True, text=True).stdout


@contextmanager
def stage(seconds: float, times: int, *given: str) -> Iterator[Stage]:
    """A provider, and a server started with these flags."""
    provider = Path(__file__).parents[1] / "limited_provider.py"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        serve = ["-m", "inferpoint", "serve", "--port=0", f"--data-dir={folder / 'data'}", *INPUTS, *given]
        with (
            started([str(provider)], folder / "provider.log") as (limited, _),
            started(serve, folder / "server.log") as (url, _),
        ):
            yield Stage(limited, url, seconds, times, folder)
