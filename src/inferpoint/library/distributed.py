"""The shards of a bulk job on an engine that exists, Dask or Ray: it is handed one plain function, and shard numbers.

A shard is claimed in the manifest, so a task that an engine runs twice costs nothing; and what is left when an engine
gives up is done by whoever works on the job next. The limit is kept by the server that all of them ask.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from inferpoint.errors import invalid
from inferpoint.extras import extra
from inferpoint.library.awaiting import Inferpoint
from inferpoint.library.jobs import Jobs

_TRIES = 10  # of a task whose process died
_LOCAL = "local"

Run = Callable[[int], None]
Engine = Callable[[str, Run, Sequence[int]], None]


def run_shard(number: int, *, job: str, server: str, folder: str) -> None:
    """Do the shard of that *number* of a *job*, in whatever process this is called.

    The *server* is asked with the key of the environment, which also says by `INFERPOINT_JOBS` where jobs are written
    down; in the data *folder*, where it does not.
    """
    asyncio.run(_run_shard(number, job, server, Path(folder)))


async def _run_shard(number: int, job: str, server: str, folder: Path) -> None:
    async with Inferpoint(server) as ip:
        opened = Jobs(lambda: ip.backend, folder, server)
        try:
            await (await opened.get(job)).run_shard(number)
        finally:
            await opened.close()


def engine(address: str) -> Callable[[Run, Sequence[int]], None]:
    """What runs a function for each of several numbers on the engine at *address*, and returns when all are done.

    `dask://scheduler:8786`, `ray://head:10001`; `dask://local` and `ray://local` are processes of this machine.
    `UNSUPPORTED` without the extra `dask` or `ray`.
    """
    scheme, there, host = address.partition("://")
    if not there or not host or scheme not in _ENGINES:
        raise invalid(f"[{address}] is no engine: there are dask://HOST:PORT, ray://HOST:PORT, and both with [local]")
    return partial(_ENGINES[scheme], host)


def _on_dask(host: str, run: Run, numbers: Sequence[int]) -> None:
    distributed = extra("distributed", of="dask")
    where = {"processes": True, "threads_per_worker": 1, "dashboard_address": None}
    client = distributed.Client(**where) if host == _LOCAL else distributed.Client(f"tcp://{host}")
    with client:
        futures = client.map(run, numbers, pure=False, retries=_TRIES)
        for future in distributed.as_completed(futures):
            future.result()
            future.release()


def _on_ray(host: str, run: Run, numbers: Sequence[int]) -> None:
    ray = extra("ray", of="ray")
    ray.init(None if host == _LOCAL else f"ray://{host}", include_dashboard=False, log_to_driver=False)
    try:
        task = ray.remote(max_retries=_TRIES)(_call)
        ray.get([task.remote(run, number) for number in numbers])
    finally:
        ray.shutdown()


def _call(run: Run, number: int) -> None:
    run(number)


_ENGINES: dict[str, Engine] = {"dask": _on_dask, "ray": _on_ray}
