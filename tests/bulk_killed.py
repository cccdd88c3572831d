"""A job in mode `batch`, worked on in processes that are killed at a point.

Each line of the standard input, `FOLDER SERVICE ADDRESS POINT`, is a process: its exit status is printed. Points are
before and after every call to the provider, and after every transaction of the manifest; one that does not come lets
the process end with the job.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import time
import traceback
from collections.abc import Generator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import sqlalchemy
from bulk_batches import ENDPOINTS, SPEC, Hurried, moved

from inferpoint.bulk import starting
from inferpoint.bulk.asking import Asking
from inferpoint.bulk.batch_work import BatchWorker
from inferpoint.bulk.job import Pinned, Space
from inferpoint.bulk.manifest import Manifest, opened
from inferpoint.bulk.sinks import opening as sinks
from inferpoint.bulk.sources import opening as sources
from inferpoint.bulk.sources.source import Fields
from inferpoint.bulk.working import Places
from inferpoint.library.endpoint import EndpointInference
from inferpoint.library.inprocess import InProcess
from inferpoint.model.endpoint import TaskType
from inferpoint.model.http import Call
from inferpoint.outbound.http.transport import HttpTransport
from inferpoint.outbound.transport import Arriving


class Points:
    """The points of a process, which ends at one of them."""

    transaction, send = Manifest.transaction, HttpTransport.send

    def __init__(self, last: int) -> None:
        self._left = last

        @contextlib.contextmanager
        def transaction(manifest: Manifest, purpose: str) -> Generator[sqlalchemy.Connection]:
            with Points.transaction(manifest, purpose) as connection:
                yield connection
            self._pass()

        async def send(transport: HttpTransport, call: Call) -> Arriving:
            self._pass()
            arriving = await Points.send(transport, call)
            self._pass()
            return arriving

        Manifest.transaction, HttpTransport.send = transaction, send  # type: ignore[method-assign]

    def _pass(self) -> None:
        """Die without another word where this was the last point."""
        self._left -= 1
        if self._left == 0:
            os._exit(9)


async def work(folder: Path, service: str, last: int) -> None:
    """Work on the job in *folder*, until it is done or the *last* point has come."""
    config = ENDPOINTS[service]
    element = "text" if config["task_type"] == "completion" else "float"
    space = Space("m", None, None, element)
    source = sources.opened(str(folder / "texts.jsonl"), Fields("text", "id", ()))
    sink = sinks.opened(str(folder / "rows.jsonl"), False, (), "job")
    sink.open(space)
    manifest = opened(folder)
    pinned = Pinned(config["task_type"], config["service"], space, None, dict(source.fingerprints()))
    job = manifest.find("job") or starting.started("job", SPEC, pinned, source, manifest, time.time())
    backend = InProcess(None, validate=False)
    await backend.open()
    await backend.put("e", config, None)
    Points(last)
    inference = EndpointInference(backend, "e")
    clock = Hurried()
    asking = Asking(inference, clock, TaskType(config["task_type"]).embeds)
    places = Places(manifest, source, sink)
    await BatchWorker(job, places, asking, clock, batches=inference.batches(), settled=0.1, most=2).run()
    await backend.close()


def process(folder: str, service: str, address: str, last: str) -> None:
    """What a process does from its beginning to its end."""
    os.environ.update(moved(address))
    asyncio.run(work(Path(folder), service, int(last)))


starting.SHARD_ITEMS = 10  # three shards of the texts, and batches of two and of one
for line in sys.stdin:
    if not (child := os.fork()):
        try:
            process(*line.split())
        except BaseException:  # noqa: BLE001 - whatever it is, it is told, and ends this process alone
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
