"""Programs in processes of their own: started, waited for by what they print, stopped by their handle."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Self

from inferpoint import services

ROOT = Path(__file__).parents[2]
PATIENCE = 60.0  # seconds; far more than anything takes, so that only what never happens fails


def environ(home: Path, more: Mapping[str, str] | None = None) -> dict[str, str]:
    """What a program needs to run at all, so that nothing of the developer's own settings reaches it."""
    return {"PATH": os.environ["PATH"], "HOME": str(home), "LANG": "C.UTF-8", **(more or {})}


def moved_to(address: str) -> dict[str, str]:
    """The variables that move every service to *address*, so that no test calls a provider."""
    every = [services.find(name) for name in services.names()]
    grants = (service.grant for service in every)
    origins = [*(service.origin for service in every), *(grant and grant.origin for grant in grants)]
    return {origin.variable: address for origin in origins if origin is not None}


class Program:
    """A running program. What it writes is read as it comes, so that it never waits for its reader."""

    def __init__(
        self,
        arguments: Sequence[str],
        env: Mapping[str, str],
        pass_fds: Sequence[int] = (),
        cwd: Path | None = None,
    ) -> None:
        self._process = subprocess.Popen(
            arguments,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            pass_fds=pass_fds,
            cwd=cwd,
        )
        self._written = bytearray()
        self._news = threading.Condition()
        self._unread = threading.Lock()
        streams = (self._process.stdout, self._process.stderr)
        self._readers = [threading.Thread(target=self._read, args=(stream,), daemon=True) for stream in streams]
        for reader in self._readers:
            reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    @property
    def pid(self) -> int:
        """Its process, as the system numbers it."""
        return self._process.pid

    @property
    def written(self) -> bytes:
        """All that it has written to standard output and standard error."""
        with self._news:
            return bytes(self._written)

    def until(self, pattern: bytes) -> re.Match[bytes]:
        """Wait until it has written *pattern*."""

        def found() -> bool:
            return re.search(pattern, self._written) is not None or not self._reading()

        with self._news:
            self._news.wait_for(found, PATIENCE)
            match = re.search(pattern, bytes(self._written))
        assert match, f"never wrote {pattern!r}, but: {self.written.decode(errors='replace')}"
        return match

    @contextlib.contextmanager
    def unread(self) -> Iterator[None]:
        """Let all that it writes meanwhile pile up in its pipes."""
        with self._unread:
            yield

    def tell(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    def running(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    def ended(self) -> int:
        """Wait for its end, and say its exit status."""
        status = self._process.wait(PATIENCE)
        for reader in self._readers:
            reader.join(PATIENCE)
        return status

    def kill(self) -> None:
        """End it now, whatever it does."""
        self._process.kill()
        self.ended()

    def _reading(self) -> bool:
        return any(reader.is_alive() for reader in self._readers)

    def _read(self, stream: IO[bytes]) -> None:
        with stream:
            while some := os.read(stream.fileno(), 65536):
                with self._news:
                    self._written += some
                    self._news.notify_all()
                with self._unread:
                    pass
        with self._news:
            self._news.notify_all()


def serving(data_dir: Path, *flags: str) -> list[str]:
    """What runs the server on a free port."""
    return [sys.executable, "-m", "inferpoint", "serve", "--port=0", f"--data-dir={data_dir}", *flags]


class Inferpoint(Program):
    """The server, listening on a free port."""

    def __init__(self, data_dir: Path, *flags: str, env: Mapping[str, str] | None = None) -> None:
        super().__init__(serving(data_dir, *flags), environ(data_dir.parent, env))
        self.data_dir = data_dir
        self.url = ""

    def __enter__(self) -> Self:
        try:
            self.url = self.until(rb"is listening on (http://[\d.:\[\]]+)")[1].decode()
            self.url = self.url.replace("0.0.0.0", "127.0.0.1")
        except BaseException:
            self.kill()
            raise
        return self


class Aimock(Program):
    """aimock, playing OpenAI and others from the fixture file beside this one."""

    def __init__(self, home: Path) -> None:
        program = ROOT / "node_modules/.bin/llmock"
        fixture = Path(__file__).parent / "aimock.json"
        command = (str(program), "-h", "127.0.0.1", "-p", "0", "-f", str(fixture), "--validate-on-load")
        super().__init__(command, environ(home))
        self.url = ""

    def __enter__(self) -> Self:
        try:
            self.url = self.until(rb"listening on (http://127\.0\.0\.1:\d+)")[1].decode()
        except BaseException:
            self.kill()
            raise
        return self


def free_port() -> int:
    """A port that nobody has at the moment, for what has to come back at the same one."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def eventually(holds: Callable[[], bool]) -> None:
    """Look until it *holds*, where nothing tells when it does."""
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, "it never came to hold"
        time.sleep(0.01)


def run(
    arguments: Sequence[str], env: Mapping[str, str], given: str = "", cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end."""
    return subprocess.run(
        arguments, env=env, input=given, capture_output=True, text=True, timeout=PATIENCE, check=False, cwd=cwd
    )
