"""A job in mode `batch` between a source and a sink in memory, and a real engine that calls our stand-in over HTTP."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any

from batch_provider import BatchProvider
from bulk_places import SPACE, MemorySink, MemorySource, items
from msgspec.structs import replace

from inferpoint.bulk import starting
from inferpoint.bulk.asking import Asking
from inferpoint.bulk.batch_work import BatchWorker
from inferpoint.bulk.job import Counts, Job, JobState, Pinned, Spec
from inferpoint.bulk.manifest import Manifest, opened
from inferpoint.bulk.sources.source import Item
from inferpoint.bulk.verifying import Verified, verified
from inferpoint.bulk.working import Places
from inferpoint.clock import SystemClock
from inferpoint.errors import InferenceError
from inferpoint.library.endpoint import EndpointInference
from inferpoint.library.inprocess import InProcess
from inferpoint.model.endpoint import TaskType
from inferpoint.model.price import Price

KEYS = {"access_key": "AKIA", "secret_key": "sk", "region": "eu-central-1"}
AMAZON = {**KEYS, "batch_role_arn": "arn:aws:iam::1:role/b", "batch_s3_uri": "s3://bucket/batches"}
ENDPOINTS: dict[str, dict[str, Any]] = {
    "openai": {
        "task_type": "text_embedding",
        "service": "openai",
        "service_settings": {"api_key": "sk-example", "model_id": "m"},
    },
    "bedrock": {
        "task_type": "text_embedding",
        "service": "amazonbedrock",
        "service_settings": {**AMAZON, "provider": "cohere", "model": "cohere.embed"},
    },
    "anthropic": {
        "task_type": "completion",
        "service": "anthropic",
        "service_settings": {
            "api_key": "sk-ant-example",
            "model_id": "claude",
            "rate_limit": {"requests_per_minute": 60_000},
        },
        "task_settings": {"max_tokens": 9},
    },
}
VARIABLES = {
    "OPENAI_BASE_URL": "/v1",
    "ANTHROPIC_BASE_URL": "",
    "AWS_ENDPOINT_URL_BEDROCK": "",
    "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": "",
    "AWS_ENDPOINT_URL_S3": "",
}
SPEC = Spec(endpoint="e", source="memory", sink="memory", mode="batch", poll=0.0, max_failed=1.0)


def moved(address: str) -> dict[str, str]:
    """The variables that move all three providers to *address*."""
    return {name: address + path for name, path in VARIABLES.items()}


class Hurried(SystemClock):
    """The machine's clock, on which nobody waits long; `ahead` moves its time of day."""

    ahead = 0.0

    async def sleep(self, seconds: float, /) -> None:
        await asyncio.sleep(min(seconds, 0.01))


class Bench:
    """One job, its places, and the *provider* that its endpoint calls."""

    def __init__(
        self, folder: Path, service: str, provider: BatchProvider, count: int | list[Item], **spec: Any
    ) -> None:
        self.config = ENDPOINTS[service]
        self.provider = provider
        self.manifest: Manifest = opened(folder)
        self.source = MemorySource(items(count) if isinstance(count, int) else count)
        self.sink = MemorySink()
        self.clock = Hurried()
        self.spec = replace(SPEC, **spec)
        self.waits: list[str] = []
        self.price: Price | None = None
        self.most = 8
        self.worker: BatchWorker | None = None

    def begin(self) -> Job:
        """The job, new or to go on with."""
        pinned = Pinned(self.config["task_type"], self.config["service"], SPACE, None, {"a": "1"})
        job = self.manifest.find("job")
        if job is None:
            return starting.started("job", self.spec, pinned, self.source, self.manifest, 0.0)
        return starting.resumed(job, self.spec, pinned, self.manifest)

    @property
    def places(self) -> Places:
        return Places(self.manifest, self.source, self.sink)

    async def work(self, shard: int | None = None) -> None:
        """Begin the job, or go on with it, and work until the worker ends, on all of it or on one *shard*."""
        job = self.begin()
        backend = InProcess(None, validate=False)
        await backend.open()
        try:
            await backend.put("e", self.config, None)
            inference = EndpointInference(backend, "e")
            embeds = TaskType(self.config["task_type"]).embeds
            asking = Asking(inference, self.clock, embeds, price=self.price, waiting=self._wait)
            self.worker = BatchWorker(
                job, self.places, asking, self.clock, batches=inference.batches(), settled=0.1, most=self.most
            )
            await (self.worker.run() if shard is None else self.worker.run_shard(shard))
        finally:
            await backend.close()

    def run(self) -> Job:
        asyncio.run(self.work())
        return self.now()

    def now(self) -> Job:
        job = self.manifest.find("job")
        assert job is not None
        return job

    def counts(self) -> Counts:
        return self.manifest.counts("job")

    def held(self) -> Counter[str]:
        """The ids of the sink's rows."""
        return self.sink.held(self.manifest.receipts("job"))

    def verified(self) -> Verified:
        return verified(self.now(), self.places)

    def is_done(self, count: int) -> bool:
        """Whether the job is done, with each of so many items in the sink once."""
        whole = self.held() == Counter(f"d{number}" for number in range(count))
        return self.now().state is JobState.DONE and whole and self.verified().is_right

    def _wait(self, error: InferenceError | None) -> None:
        if error is not None:
            self.waits.append(str(error))
