"""A job through a server to a provider that has a limit: how much of it is used, and how searches fare beside it."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from bulk.measured import ours
from quota.disturbed import searches
from quota.limits import Limits
from quota.stage import Endpoint, Row, Stage, quantile, tally

LIMIT, ITEMS = 1200, 64  # requests a minute, and texts that each may have
_INTERVAL = 60 / LIMIT


async def limited(stage: Stage, source: Path) -> list[Row]:
    """Four searches a second at 1,200 requests a minute of at most 64 texts, alone and beside a job."""
    await stage.limit(Limits(requests_per_minute=LIMIT, items_a_call=ITEMS))
    endpoint = await stage.endpoint("text_embedding", {"requests_per_minute": LIMIT})
    alone = await searches(stage, endpoint, "alone")
    before = await stage.ledger(endpoint.key)
    with _working(stage, endpoint, source) as process:
        await _begun(stage, endpoint, len(before.calls))
        beside = await searches(stage, endpoint, "beside")
        assert process.poll() is None, "the job must outlast the searches"
        ledger = await stage.ledger(endpoint.key)
        process.terminate()
    calls = [at for at, items, _ in ledger.calls if items > 1]
    seconds = stage.seconds / 2
    used = sum(calls[0] <= at < calls[0] + seconds for at, _, _ in ledger.calls)
    moved = (quantile(beside, 0.95) - quantile(alone, 0.95)) / _INTERVAL
    share = used / (LIMIT / 60 * seconds)
    return [
        Row("limited", "share of the limit that a job and searches use", f"{share:.1%}", "≥ 98 %", share >= 0.98),
        Row("limited", "calls refused by the provider", tally(ledger.refused)),
        Row("limited", "documents a second", f"{sum(items for _, items, _ in ledger.calls) / seconds:.0f}"),
        _p95("p95 of searches in ms, alone and beside", alone, beside),
        Row("limited", "p95 moved, in spacing intervals", f"{moved:.2f}", "≤ 1", moved <= 1),
    ]


def _p95(name: str, alone: Sequence[float], beside: Sequence[float]) -> Row:
    return Row("limited", name, f"{quantile(alone, 0.95) * 1e3:.0f}, {quantile(beside, 0.95) * 1e3:.0f}")


def _working(stage: Stage, endpoint: Endpoint, source: Path) -> subprocess.Popen[bytes]:
    where = [f"--server={stage.address}", f"--data-dir={stage.folder / 'jobs'}", f"--to={stage.folder / 'rows'}/"]
    command = ours("embed", str(source), f"--endpoint={endpoint.inference_id}", "--id=id", *where)
    with (stage.folder / "job.log").open("wb") as log:
        return subprocess.Popen(command, stdout=log, stderr=log, env=os.environ)


async def _begun(stage: Stage, endpoint: Endpoint, known: int) -> None:
    """Wait until the provider has had a call of the job."""
    while len((await stage.ledger(endpoint.key)).calls) == known:  # noqa: ASYNC110 - it is another process's
        await asyncio.sleep(0.05)
