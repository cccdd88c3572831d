"""The bulk jobs of a server that is no process: places in a folder of the test's, and its world to ask."""

from __future__ import annotations

import json
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from world import World

from inferpoint.access.callers import Callers
from inferpoint.bulk.hosted import HostedJobs
from inferpoint.bulk.hosting import Host, hosted_jobs
from inferpoint.bulk.manifest import opened
from inferpoint.clock import Clock
from inferpoint.configuration.places import BOTH, SINK, SOURCE, Place

SOURCE_PATH = "2026/docs.jsonl"
REQUEST: dict[str, Any] = {
    "name": "job",
    "inference_id": "my-embeddings",
    "source": {"place": "docs", "path": SOURCE_PATH},
    "sink": {"place": "vectors", "path": "docs.jsonl"},
    "id": "id",
}


@contextmanager
def hosting(
    world: World, folder: Path, texts: Sequence[str] = ("one", "two"), clock: Clock | None = None, most: int = 2
) -> Generator[HostedJobs]:
    """The jobs of a server with the places `docs`, `vectors` and `both` in *folder*, with *texts* in the first."""
    places = {"docs": SOURCE, "vectors": SINK, "both": BOTH}
    for name in places:
        (folder / name).mkdir()
    source = folder / "docs" / SOURCE_PATH
    source.parent.mkdir()
    source.write_text(
        "".join(json.dumps({"id": f"d{n}", "text": text, "lang": "en"}) + "\n" for n, text in enumerate(texts))
    )
    manifest = opened(folder / "jobs")
    host = Host(
        world.engine, Callers(world.keys, is_open=True), world.engine.audit, world.telemetry.jobs, clock or world.clock
    )
    named = {name: Place(address=str(folder / name), use=use) for name, use in places.items()}
    try:
        yield hosted_jobs(manifest, named, host, most)
    finally:
        manifest.close()
