"""The log of a running server: all lines in one form, and what is left out."""

from __future__ import annotations

import json
import re
import signal
from contextlib import closing
from pathlib import Path

import pytest
from raw_http import ask, everything, plugged
from real_processes import Inferpoint, Program, environ, serving

HEAD = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (debug|info|warning|error) \S")


def logged(tmp_path: Path, *flags: str) -> list[str]:
    """The lines of a server that was asked in several ways, and told to stop."""
    with Inferpoint(tmp_path / "data", *flags) as server:
        for path in ("/livez", "/readyz", "/metrics", "/", "/_inference/none"):
            ask(server.url, "GET", path)
        with closing(plugged(server.url)) as line:
            line.sendall(b"no HTTP at all\r\n\r\n")
            everything(line)
        server.tell(signal.SIGTERM)
        assert server.ended() == 0
        return server.written.decode().splitlines()


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("form", ["text", "json"])
def test_every_line_has_the_logs_form(tmp_path: Path, form: str, workers: int) -> None:
    """Requests, the start, and what came and was no request; probes and scrapes are left out."""
    lines = logged(tmp_path, f"--log-format={form}", f"--workers={workers}")
    assert any("What came is not HTTP" in line for line in lines)
    assert any("/_inference/none" in line for line in lines)
    assert not any(path in line for line in lines for path in ("/livez", "/readyz", "/metrics"))
    for line in lines:
        assert json.loads(line)["level"] if form == "json" else HEAD.match(line)


def test_where_all_is_logged_probes_are_too(tmp_path: Path) -> None:
    """The level `debug` leaves nothing out."""
    lines = logged(tmp_path, "--log-level=debug")
    assert {"/livez", "/readyz", "/metrics"} <= {line.split()[3] for line in lines if line.split()[2] == "GET"}


def test_a_start_that_fails_is_a_line_for_programs(tmp_path: Path) -> None:
    """Where a program reads the log it can read that, too."""
    with Program(serving(Path("/proc/none"), "--log-format=json"), environ(tmp_path)) as server:
        assert server.ended() == 1
        (line,) = server.written.splitlines()
    assert json.loads(line)["level"] == "error"
