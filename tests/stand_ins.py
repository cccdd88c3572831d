"""Programs that play providers, from environments of their own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from raw_http import ask
from real_processes import ROOT, Aimock, Program, environ


class StandIn(Program):
    """A program that writes where it listens."""

    def __init__(self, command: tuple[str, ...], home: Path, env: Mapping[str, str] | None = None) -> None:
        program = ROOT / ".venvs" / command[0]
        assert program.exists(), f"`make .venvs/{command[0].partition('/')[0]}/.installed` installs {program.name}"
        super().__init__((str(program), *command[1:]), environ(home, env))
        self.url = ""

    def __enter__(self) -> Self:
        try:
            self.url = self.until(rb"[Rr]unning on (http://127\.0\.0\.1:\d+)")[1].decode()
        except BaseException:
            self.kill()
            raise
        return self


def journal(aimock: Aimock) -> list[dict[str, Any]]:
    """What aimock was asked, oldest first."""
    return ask(aimock.url, "GET", "/__aimock/journal?limit=1000").json
