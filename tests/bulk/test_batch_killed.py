"""A worker of batches that is killed at any point: the next one loses nothing, and no batch is paid twice."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from batch_provider import BatchProvider, serving
from bulk_batches import ENDPOINTS
from real_processes import environ

PROGRAM = Path(__file__).parents[1] / "bulk_killed.py"
COUNT = 30
EVERY = 28  # points, of which there are some eighty
DONE, KILLED = 0, 9


@pytest.fixture(scope="module")
def processes(home: Path) -> Iterator[Callable[..., int]]:
    """Works on a job in a process of its own, killed at a point; gives its exit status."""
    command = (sys.executable, str(PROGRAM))
    pipe = subprocess.PIPE
    with subprocess.Popen(command, env=environ(home), stdin=pipe, stdout=pipe, text=True) as program:
        assert program.stdin
        assert program.stdout
        written, read = program.stdin, program.stdout

        def work(*arguments: object) -> int:
            print(*arguments, file=written, flush=True)
            return int(read.readline())

        yield work
        written.close()


def held(folder: Path) -> Counter[str]:
    """The ids in the sink of the job in *folder*."""
    return Counter(json.loads(line)["id"] for line in (folder / "rows.jsonl").read_text().splitlines())


@pytest.mark.parametrize("service", list(ENDPOINTS))
def test_no_batch_is_paid_twice(tmp_path: Path, processes: Callable[..., int], service: str) -> None:
    """Wherever its worker is killed, all items are in the sink once, and each was handed in once."""
    texts = [f"text {number}" for number in range(COUNT)]
    point, status = 1, KILLED
    while status == KILLED:
        folder, provider = tmp_path / str(point), BatchProvider(now=time.time)
        folder.mkdir()
        lines = [json.dumps({"id": text, "text": text}) for text in texts]
        (folder / "texts.jsonl").write_text("\n".join(lines))
        with serving(provider) as address:
            status = processes(folder, service, address, point)
            assert processes(folder, service, address, 0) == DONE
        assert held(folder) == provider.handed == provider.paid == Counter(texts), point
        point += EVERY
    assert status == DONE
    assert point > 40
