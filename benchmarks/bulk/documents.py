"""The documents of a benchmark: texts of some 170 characters, numbered as the provider counts them."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

_WORDS = [f"word{number}" for number in range(0, 160, 10)]
_AT_ONCE = 65_536  # rows of a row group


def written(count: int, path: Path) -> Path:
    """A Parquet file of *count* documents at *path*, each an `id` and a `text`."""
    chance = random.Random(count)
    schema = pa.schema({"id": pa.string(), "text": pa.string()})
    with pq.ParquetWriter(path, schema) as writer:
        for begin in range(0, count, _AT_ONCE):
            rows = [_row(number, chance) for number in range(begin, min(begin + _AT_ONCE, count))]
            writer.write_table(pa.Table.from_pylist(rows, schema))
    return path


def right(folder: Path, kinds: int) -> Iterator[str]:
    """The ids in the Parquet files of a *folder*, of which each must have its own vector, by its first number."""
    for path in sorted(folder.rglob("*.parquet")):
        for batch in pq.ParquetFile(path).iter_batches(columns=["id", "embedding"]):
            ids, vectors = batch.column(0).to_pylist(), batch.column(1)
            width = len(vectors[0])
            firsts = vectors.flatten()[::width].to_pylist()
            for own_id, first in zip(ids, firsts, strict=True):
                assert int(own_id.removeprefix("doc-")) % kinds == first, own_id
            yield from ids


def _row(number: int, chance: random.Random) -> dict[str, Any]:
    return {"id": f"doc-{number}", "text": f"d{number:07d} {' '.join(chance.choices(_WORDS, k=22))}"}
