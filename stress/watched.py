"""What a server under load costs and says: its memory, its open files, its counters, its faults."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from raw_http import ask
from real_processes import Inferpoint, eventually


class Watched:
    """A running server, compared with what it was when the watch began."""

    def __init__(self, server: Inferpoint) -> None:
        self._server = server
        self._process = Path(f"/proc/{server.pid}")
        self.ready()  # what is read on first use is read
        self.files_at_start = self.files()

    def files(self) -> int:
        """How many files and connections are open; 0 where only root may look, as into what forbids core dumps."""
        try:
            return sum(1 for _ in (self._process / "fd").iterdir())
        except PermissionError:
            return 0

    def megabytes(self, kind: str = "RSS") -> int:
        """Resident memory now, or at its highest (`HWM`)."""
        found = re.search(rf"Vm{kind}:\s+(\d+) kB", (self._process / "status").read_text("ascii"))
        assert found
        return int(found[1]) // 1024

    def waiting_calls(self) -> float:
        """How many calls wait for their turn."""
        counters = ask(self._server.url, "GET", "/metrics").body
        found = re.search(rb"^inferpoint_waiting_calls (\S+)$", counters, re.MULTILINE)
        assert found
        return float(found[1])

    def ready(self) -> None:
        """It answers."""
        assert ask(self._server.url, "GET", "/readyz").status == 200

    def rested(self, idle: Callable[[], int] = lambda: 0) -> None:
        """It is ready, nobody waits in it, and it has no more open than at the start and the *idle* connections."""
        self.ready()
        eventually(lambda: self.waiting_calls() == 0)
        eventually(lambda: self.files() <= self.files_at_start + idle())
        self.unharmed()

    def unharmed(self) -> None:
        """None of its own errors is in its log."""
        at = self._server.written.find(b"Traceback")
        assert at < 0, self._server.written[max(0, at - 300) : at + 3000].decode(errors="replace")
