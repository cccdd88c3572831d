"""What a source holds in memory while all of it is planned and read, in a process of its own."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

READ = r"""
import pathlib, re, sys
from inferpoint.bulk.sources.opening import opened
from inferpoint.bulk.sources.source import Fields
from inferpoint.errors import InferenceError
items = problems = 0
try:
    source = opened(sys.argv[1], Fields("text"))
    for span in source.spans(2048):
        for item in source.read(span):
            items += 1
            problems += item.problem is not None
except InferenceError as error:
    print(error, file=sys.stderr)
peak = re.search(r"VmHWM:\s+(\d+)", pathlib.Path("/proc/self/status").read_text())[1]
print(items, problems, int(peak) >> 10)
"""
MOST = 250  # MiB: a line at the bound of 32 MiB is held a few times while it is put together


def endless(path: Path) -> None:
    """One line of 250 MB, of which hardly anything is on the disk."""
    with path.open("wb") as file:
        file.write(b'{"text": "one"}\n')
        file.truncate(250_000_000)
        file.seek(0, os.SEEK_END)
        file.write(b'\n{"text": "last"}')


def bomb(path: Path) -> None:
    """The same, as 250 kB of gzip."""
    with gzip.open(path, "wb", 9) as file:
        file.write(b'{"text": "one"}\n')
        for _ in range(250):
            file.write(bytes(1_000_000))
        file.write(b'\n{"text": "last"}')


def deep(path: Path) -> None:
    """Lines of a million brackets."""
    path.write_bytes(b'{"text": "one"}\n' + (b'{"text":' + b"[" * 1_000_000 + b"\n") + b'{"text": "last"}')


def empty(path: Path) -> None:
    """Two million empty lines between two that are not."""
    path.write_bytes(b'{"text": "one"}' + b"\n" * 2_000_000 + b'{"text": "last"}')


def long(path: Path) -> None:
    """250 MB of texts, some of which are large."""
    with path.open("w") as file:
        for number in range(400):
            file.write(json.dumps({"text": str(number) * (450_000 if number % 2 else 1)}) + "\n")


def repeated(path: Path) -> None:
    """2,000 rows that are all the same five megabytes, once in the file."""
    indices = pa.array(np.zeros(2_000, dtype=np.int32))
    pq.write_table(pa.table({"text": pa.DictionaryArray.from_arrays(indices, pa.array(["x" * 5_000_000]))}), path)


@pytest.mark.parametrize(
    ("write", "suffix", "items", "problems"),
    [
        (endless, "jsonl", 3, 1),
        (bomb, "jsonl.gz", 3, 1),
        (deep, "jsonl", 3, 1),
        (empty, "jsonl", 2, 0),
        (long, "jsonl", 400, 0),
        (repeated, "parquet", 2_000, 0),
    ],
)
def test_memory_is_bounded(
    tmp_path: Path, write: Callable[[Path], None], suffix: str, items: int, problems: int
) -> None:
    """Whatever there is to read, and what is around it is read."""
    write(path := tmp_path / f"docs.{suffix}")
    ran = subprocess.run(
        [sys.executable, "-c", READ, str(path)], capture_output=True, text=True, check=True, timeout=120
    )
    read, broken, peak = map(int, ran.stdout.split())
    assert (read, broken) == (items, problems), ran.stderr
    assert peak < MOST
