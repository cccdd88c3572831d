"""A server under attack, and a neighbour who asks it all the while: what the attack costs both."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from raw_http import ask
from real_processes import ROOT, Inferpoint, Program, environ
from storm import EchoProvider
from watched import Watched

NEIGHBOUR = "neighbour"  # the endpoint that the neighbour asks
PLENTY = {"requests_per_minute": 1_000_000_000}


@dataclass(frozen=True)
class Harm:
    """What an attack did: the server's growth in megabytes, the neighbour's longest wait in seconds, their refusals."""

    growth: int
    stall: float
    asked: int
    refused: int


class Neighbour(Program):
    """`neighbour.py`, in a process of its own, so that the attacker's work does not make it wait."""

    def __init__(self, url: str, home: Path) -> None:
        program = [sys.executable, str(ROOT / "stress/neighbour.py"), url, NEIGHBOUR]
        super().__init__(program, environ(home, {"PYTHONPATH": str(ROOT / "tests/e2e")}))

    def __enter__(self) -> Self:
        self.until(rb"asking")
        return self

    def leaves(self) -> tuple[float, int, int]:
        """End it: its longest wait in seconds, how often it asked, how often it was not answered."""
        self.tell(signal.SIGTERM)
        told = self.until(rb"longest (\S+) asked (\d+) refused (\d+)")
        return float(told[1]), int(told[2]), int(told[3])


class Victim:
    """A running server of its own folder; `provider` is one that behaves."""

    def __init__(self, server: Inferpoint, provider: EchoProvider, home: Path) -> None:
        self.server = server
        self.url = server.url
        self.home = home
        self.provider = provider
        self.watched = Watched(server)
        self.put(NEIGHBOUR, provider.url)

    def put(self, inference_id: str, provider: str, **more: object) -> None:
        """Make an embedding endpoint at *provider*, without a trial; *more* are its other service settings."""
        settings = {"api_key": "made-up", "url": provider, "rate_limit": PLENTY, **more}
        path = f"/_inference/text_embedding/{inference_id}?skip_validation=true"
        answered = ask(self.url, "PUT", path, {"service": "hugging_face", "service_settings": settings})
        assert answered.status == 200, answered.body


@contextmanager
def victim(folder: Path, *flags: str, env: Mapping[str, str] | None = None) -> Iterator[Victim]:
    """A server to attack, which answers its neighbour before."""
    with EchoProvider(folder) as provider, Inferpoint(folder / "data", *flags, env=env) as server:
        yield Victim(server, provider, folder)


def attacked(target: Victim, attack: Callable[[Victim], None]) -> Harm:
    """Let *attack* run beside the neighbour."""
    before = target.watched.megabytes()
    with Neighbour(target.url, target.home) as neighbour:
        attack(target)
        stall, asked, refused = neighbour.leaves()
    return Harm(target.watched.megabytes("HWM") - before, stall, asked, refused)
