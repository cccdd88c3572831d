"""Our own command: a whole job, and one that is finished and started again."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

from bulk.documents import right
from bulk.measured import Provider, Run, measured, ours
from bulk.provider import KINDS

import inferpoint

ENDPOINT = "bench"


def endpoint(data: Path, url: str) -> None:
    """An endpoint in the folder *data* of who asks at *url*, without a limit that counts."""
    rate = {"requests_per_minute": 1_000_000_000, "burst": 1_000_000}
    settings = {"api_key": "k", "model_id": "m", "url": f"{url}/v1/embeddings", "rate_limit": rate}
    with inferpoint.connect(data) as ip:
        ip.put(ENDPOINT, task_type="text_embedding", service="openai", service_settings=settings)


def job(provider: Provider, source: Path, count: int, sink: Path, data: Path, form: str = "parquet") -> Run:
    """The job of embedding *count* documents of *source* into *sink*."""
    if not data.exists():
        endpoint(data, provider.url)
    return provider.run(command(source, sink, data, form), count, os.environ)


def again(source: Path, sink: Path, data: Path, form: str = "parquet") -> Run:
    """The same command once more."""
    return measured(command(source, sink, data, form), os.environ)


def command(source: Path, sink: Path, data: Path, form: str) -> list[str]:
    """The command of a user."""
    to = f"{sink}/?format={form}"
    where = ["--id=id", f"--data-dir={data}", f"--job={sink.name}"]
    return ours("embed", str(source), f"--endpoint={ENDPOINT}", f"--to={to}", *where)


def verified(sink: Path, count: int) -> str:
    """What is wrong with the rows of a folder of Parquet files, each of which must have its own vector."""
    held = Counter(right(sink, KINDS))
    lost, twice = count - len(held), sum(number > 1 for number in held.values())
    return f"{lost} lost, {twice} twice"
