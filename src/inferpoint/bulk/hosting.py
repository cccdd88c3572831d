"""The jobs of a server, put together on its data folder or on a database that several servers share."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import sqlalchemy as sql
from typing_extensions import override

from inferpoint.access.callers import Callers
from inferpoint.bulk.database import database
from inferpoint.bulk.hosted import HostedJobs
from inferpoint.bulk.inference import Inference
from inferpoint.bulk.job import Shard, Spec
from inferpoint.bulk.jobs import Jobs
from inferpoint.bulk.manifest import Manifest, Outcome
from inferpoint.bulk.named_places import NamedPlaces
from inferpoint.bulk.runner import Runner
from inferpoint.bulk.served import ServedInference, Walk
from inferpoint.clock import Clock
from inferpoint.configuration.places import Place
from inferpoint.model.requests import Caller
from inferpoint.storage.audit import Audit
from inferpoint.telemetry.counters import JobCounters


@dataclass(frozen=True)
class Host:
    """What jobs use of the server that they run in."""

    walk: Walk
    callers: Callers
    audit: Audit
    counters: JobCounters
    clock: Clock

    def who(self, name: str) -> Caller:
        """The caller of that name, as it is now; `UNAUTHENTICATED` for one who may not come in any more."""
        return self.callers.named(name, self.clock.now().timestamp())


class CountedManifest(Manifest):
    """A manifest that counts what the process writes down."""

    def __init__(self, engine: sql.Engine, counters: JobCounters) -> None:
        super().__init__(engine)
        self._counters = counters
        self._loop = asyncio.get_running_loop()

    @override
    def commit(self, name: str, owner: str, shard: Shard, outcome: Outcome) -> bool:
        counts = super().commit(name, owner, shard, outcome)
        if counts:
            failed = len(outcome.failures)
            self._loop.call_soon_threadsafe(self._counters.wrote, outcome.items - failed, failed)
        return counts


def hosted_jobs(manifest: Manifest, places: Mapping[str, Place], host: Host, most: int) -> HostedJobs:
    """The jobs in *manifest*, which read and write in *places*; its runner works on at most so many of them."""
    named = NamedPlaces(places)

    @contextlib.asynccontextmanager
    async def inference(spec: Spec) -> AsyncGenerator[Inference]:
        yield ServedInference(host.walk, partial(host.who, spec.caller or ""), spec.endpoint)

    jobs = Jobs(manifest, inference, host.clock, addresses=named)
    runner = Runner(jobs, manifest, host.who, host.counters, host.clock, most)
    return HostedJobs(jobs, manifest, named, runner, host.walk, host.audit)


@contextlib.asynccontextmanager
async def hosted(place: str | Path, places: Mapping[str, Place], host: Host, most: int) -> AsyncGenerator[HostedJobs]:
    """The jobs of a server that are written down in the folder *place*, or in the database of that address."""
    manifest = CountedManifest(await asyncio.to_thread(database, place), host.counters)
    try:
        await asyncio.to_thread(manifest.prepare)
        yield hosted_jobs(manifest, places, host, most)
    finally:
        await asyncio.to_thread(manifest.close)
