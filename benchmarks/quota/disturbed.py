"""Searches beside an ingest, and an ingest in a provider's bad half-minute."""

from __future__ import annotations

import asyncio
import math
import random
from collections import Counter
from collections.abc import Sequence

from quota.limits import Limits, Storm
from quota.stage import Endpoint, Row, Stage, quantile, tally, unserved
from quota.texts import texts


async def lanes(stage: Stage) -> list[Row]:
    """Four searches a second at 1,200 requests a minute, alone and beside 64 callers who ingest as fast as they can."""
    limit = 1200
    interval = 60 / limit
    await stage.limit(Limits(requests_per_minute=limit))
    endpoint = await stage.endpoint("text_embedding", {"requests_per_minute": limit})
    alone = await searches(stage, endpoint, "alone")
    began = asyncio.get_running_loop().time()
    ingesting = [asyncio.create_task(_ingest(stage, endpoint, f"ingester {number}")) for number in range(64)]
    beside = await searches(stage, endpoint, "beside")
    seconds = asyncio.get_running_loop().time() - began
    for task in ingesting:
        task.cancel()
    ended = await asyncio.gather(*ingesting, return_exceptions=True)
    assert all(isinstance(each, asyncio.CancelledError) for each in ended), ended
    ledger = await stage.ledger(endpoint.key)
    ingested = sum(items for user, items in ledger.items_by_user.items() if user.startswith("ingester"))
    rows = [Row("lanes", "texts ingested a second meanwhile", f"{ingested / seconds:.1f}")]
    for name, place in (("p50", 0.5), ("p95", 0.95)):
        quiet, busy = quantile(alone, place), quantile(beside, place)
        moved = (busy - quiet) / interval
        row = Row("lanes", f"{name} of searches in ms, alone and beside", f"{quiet * 1e3:.0f}, {busy * 1e3:.0f}")
        wanted = ("≤ 1", moved <= 1) if name == "p95" else ("", None)
        rows += [row, Row("lanes", f"{name} moved, in spacing intervals", f"{moved:.2f}", *wanted)]
    return rows


async def storm_429(stage: Stage) -> list[Row]:
    """Half of all calls are answered 429 for 30 s."""
    return await _storm(stage, 429, 1.0)


async def storm_503(stage: Stage) -> list[Row]:
    """Half of all calls are answered 503 for 30 s."""
    return await _storm(stage, 503, None)


async def searches(stage: Stage, endpoint: Endpoint, name: str) -> list[float]:
    """The seconds that each of them took; they come by chance, and always at the same moments."""
    chance, loop, took = random.Random(1), asyncio.get_running_loop(), list[float]()
    seconds = stage.seconds / 2

    async def one(text: str) -> None:
        answer = await stage.embed(endpoint, [text], user=text, input_type="search")
        assert not unserved([text], answer), answer.body
        took.append(answer.seconds)

    async with asyncio.TaskGroup() as group:
        ends = loop.time() + seconds
        number = 0
        while loop.time() < ends:
            await asyncio.sleep(chance.expovariate(4))
            group.create_task(one(f"{name} {number}"))
            number += 1
    return took


async def _ingest(stage: Stage, endpoint: Endpoint, name: str) -> None:
    number = 0
    while True:
        number += 1
        text = f"{name} {number}"
        answer = await stage.embed(endpoint, [text], user=name, input_type="ingest")
        if answer.again_in is not None:
            await asyncio.sleep(answer.again_in)
        else:
            assert not unserved([text], answer), answer.body


async def _storm(stage: Stage, status: int, retry_after: float | None) -> list[Row]:
    """40 ingesters with lists of 16 texts at 1,200 requests a minute, before, in and after the storm.

    They repeat what they are told to repeat, until it is embedded, and nothing else.
    """
    name, limit, loop = f"storm of {status}", 1200, asyncio.get_running_loop()
    storm = Storm(begins=2, lasts=stage.seconds / 2, status=status, retry_after=retry_after)
    endpoint = await stage.endpoint("text_embedding", {"requests_per_minute": limit})
    await stage.limit(Limits(requests_per_minute=limit, storm=storm))
    over = storm.begins + storm.lasts
    ends = loop.time() + over + max(3, stage.seconds / 4)
    seen: Counter[int] = Counter()
    lost = embedded = 0

    async def ingest(user: str) -> None:
        nonlocal lost, embedded
        number = 0
        while loop.time() < ends:
            number += 1
            given = texts(16, 40, f"{user} {number}")
            while (answer := await stage.embed(endpoint, given, user=user, input_type="ingest")).again_in is not None:
                seen[429] += 1
                await asyncio.sleep(answer.again_in)
            bad = unserved(given, answer)
            lost += bad
            embedded += len(given) - bad
            if answer.status != 200:
                seen[answer.status] += 1

    await asyncio.gather(*(ingest(f"ingester {number}") for number in range(40)))
    ledger = await stage.ledger(endpoint.key)
    failed = sum(ledger.refused.values())
    full = _full_speed([at for at, _, _ in ledger.calls], over, limit / 60)
    return [
        Row(name, "documents lost", f"{lost} of {embedded + lost}", "0", lost == 0),
        Row(name, "calls beyond those that were answered", f"{failed / max(1, len(ledger.calls)):.1%}"),
        Row(name, "seconds until full speed, after the storm", "never" if full is None else f"{full:.1f}"),
        Row(name, "errors that callers saw", tally(seen)),
        Row(name, "texts embedded twice", str(ledger.duplicates), "0", ledger.duplicates == 0),
    ]


def _full_speed(calls: Sequence[float], since: float, rate: float) -> float | None:
    """When, after *since*, the first two seconds begin in which 95 % of the limit is used."""
    later = [at for at in calls if at >= since]
    wanted = math.ceil(0.95 * 2 * rate)
    for first, last in zip(later, later[wanted - 1 :], strict=False):
        if last - first <= 2:
            return first - since
    return None
