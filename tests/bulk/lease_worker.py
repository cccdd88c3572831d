"""A worker of a job whose leases are a second long: run with a manifest's folder, a server and a job's name."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from inferpoint.bulk.jobs import Jobs
from inferpoint.bulk.manifest import opened
from inferpoint.cli.bulk.opening import Endpoints


async def main(folder: Path, server: str, name: str) -> None:
    """Work until the job is done."""
    jobs = Jobs(opened(folder / "jobs"), Endpoints(folder, None, server=server).open)
    print("begins", flush=True)
    async with jobs.worker(name, lease=1.0) as worker:
        await worker.run()
    await jobs.close()


asyncio.run(main(Path(sys.argv[1]), sys.argv[2], sys.argv[3]))
