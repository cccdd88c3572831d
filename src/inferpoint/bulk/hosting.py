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
from inferpoint.errors import invalid
from inferpoint.model.requests import Caller
from inferpoint.storage.audit import Audit
from inferpoint.telemetry.counters import JobCounters

_POSTGRES = "postgresql://"


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


@contextlib.asynccontextmanager
async def hosted(
    folder: Path, shared: str | None, places: Mapping[str, Place], host: Host, most: int
) -> AsyncGenerator[HostedJobs]:
    """The jobs that read and write in *places*, written down in *folder*, or in the database *shared* by servers.

    The runner, which is to be started, works on at most so many of them.
    """
    if shared is not None and not shared.startswith(_POSTGRES):
        raise invalid(f"[jobs] must be the address of a database that begins with {_POSTGRES}")
    manifest = CountedManifest(database(folder if shared is None else shared), host.counters)
    try:
        await asyncio.to_thread(manifest.prepare)
        named = NamedPlaces(places)

        @contextlib.asynccontextmanager
        async def inference(spec: Spec) -> AsyncGenerator[Inference]:
            yield ServedInference(host.walk, partial(host.who, spec.caller or ""), spec.endpoint)

        jobs = Jobs(manifest, inference, host.clock, named.address)
        runner = Runner(jobs, manifest, host.who, host.counters, host.clock, most)
        yield HostedJobs(jobs, manifest, named, runner, host.walk, host.audit)
    finally:
        await asyncio.to_thread(manifest.close)
