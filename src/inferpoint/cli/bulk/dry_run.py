"""What a job would take, printed; nothing is called, and nothing written."""

from __future__ import annotations

import asyncio
import json

import msgspec

from inferpoint.bulk import pinning
from inferpoint.bulk.estimating import Estimate, estimated
from inferpoint.bulk.job import Spec
from inferpoint.bulk.sources import opening as sources
from inferpoint.bulk.sources.source import Fields
from inferpoint.cli.bulk.opening import Endpoints
from inferpoint.cli.bulk.words import dollars, duration
from inferpoint.model.price import NANO


async def told(spec: Spec, endpoints: Endpoints, *, as_json: bool) -> int:
    """Print what the job of *spec* would take; the exit status."""
    async with endpoints.open(spec) as inference:
        shown = await inference.shown()
    pinning.pinned(shown, {})  # which refuses tasks that have no jobs
    source = await asyncio.to_thread(sources.opened, spec.source, Fields(spec.text, spec.id, spec.keep))
    try:
        estimate = await asyncio.to_thread(estimated, spec, shown, source)
    finally:
        await asyncio.to_thread(source.close)
    if as_json:
        print(json.dumps({"event": "estimate", **msgspec.to_builtins(estimate)}))
    else:
        for name, value in _lines(estimate):
            print(f"{name:8}{value}")
    return 0


def _lines(estimate: Estimate) -> list[tuple[str, str]]:
    """The estimate in words."""
    by = f"± {estimate.margin:.0%}, by the bytes of {estimate.sampled:,} of them"
    lines = [("items", f"{estimate.items:,}")]
    lines += [("chunks", f"{estimate.inputs:,}")] if estimate.inputs != estimate.items else []
    lines += [("calls", f"{estimate.calls:,} at least"), ("tokens", f"{estimate.tokens:,} ({by})")]
    lines += [("written", f"{estimate.output:,} tokens, where an answer has 256")] if estimate.output else []
    limited = "no limit is set" if estimate.minutes is None else f"{duration(estimate.minutes * 60)} at least"
    lines += [("time", f"{limited}; in batches within a day" if estimate.usd_in_batches is not None else limited)]
    lines += [("price", _price(estimate))]
    return lines


def _price(estimate: Estimate) -> str:
    if estimate.usd is None:
        return "none is set"
    price = f"{dollars(round(estimate.usd * NANO))} ± {estimate.margin:.0%}"
    halved = estimate.usd_in_batches
    return price if halved is None else f"{price}; in batches {dollars(round(halved * NANO))}"
