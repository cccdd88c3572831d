"""The same texts through the same limits: this server, and clients that users have instead, each as it is advised.

This server and LangChain are given the whole list, and choose how to divide it; of the others it is asked. Where a call
may have fewer tokens than OpenAI documents, they are asked twice: as documented, and tuned by hand to half of what a
call may have on average, since texts differ in length.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from quota.limits import Ledger, Limits, counted
from quota.stage import MODEL, Row, Stage, UnknownError, tally, vectors
from quota.texts import texts, wrong

ROOT = Path(__file__).parents[2]
TABLES = "lib/python*/site-packages/litellm/litellm_core_utils/tokenizers"  # what LangChain cuts texts into tokens by
OURS = "inferpoint"
PEERS = {
    "openai + tenacity": ("clients-sdk/openai_tenacity", 2048),
    "langchain": ("clients-sdk/langchain_embeddings", 1000),
    "litellm router": ("clients-frameworks/litellm_router", 2048),
}  # where each is, and how many texts it puts in a call when nobody tunes it
TUNED = 350


@dataclass(frozen=True)
class Course:
    """Limits, and the texts that go through them."""

    name: str
    limits: Limits
    rpm: int
    tpm: int
    count: int

    @property
    def texts(self) -> list[str]:
        """About a hundred tokens each."""
        return texts(self.count, 100, self.name)


@dataclass(frozen=True)
class Found:
    """What came of a contender."""

    seconds: float
    inputs: Sequence[Any]
    vectors: Sequence[Any]
    errors: dict[str, int]


async def beside(stage: Stage) -> list[Row]:
    """Every contender over both courses."""
    count = max(2000, round(20_000 * stage.seconds / 60))
    tpm, rpm, free = 2_000_000, 120, 60_000
    packed = Course("pack", Limits(requests_per_minute=free, tokens_a_call=75_000), free, 10**9, count)
    limits = Limits(requests_per_minute=rpm, tokens_per_minute=tpm, tokens_at_once=300_000)
    limited = Course("limits", limits, rpm, tpm, count)
    rows = await _over(stage, packed, OURS)
    for name, (_, documented) in PEERS.items():
        rows += await _over(stage, packed, name, documented)
        rows += await _over(stage, packed, name, TUNED)
    rows += await _over(stage, limited, OURS)
    for name in PEERS:
        rows += await _over(stage, limited, name, TUNED)
    return rows


async def _over(stage: Stage, course: Course, name: str, batch: int | None = None) -> list[Row]:
    """One contender over one course, by so many texts a call where that has to be said."""
    await stage.limit(course.limits)
    title = f"{course.name}: {name}" + ("" if batch is None else f" {batch}")
    try:
        found, key = await (_ours(stage, course) if batch is None else _theirs(stage, course, name, batch))
    except UnknownError as reason:
        return [Row(title, "not measured, since the server says", str(reason))]
    return _told(title, course, found, await stage.ledger(key))


async def _ours(stage: Stage, course: Course) -> tuple[Found, str]:
    rate: dict[str, Any] = {"requests_per_minute": course.rpm}
    if course.limits.tokens_per_minute is not None:
        rate["tokens_per_minute"] = course.tpm
    endpoint = await stage.endpoint("text_embedding", rate)
    given = course.texts
    began, errors = asyncio.get_running_loop().time(), dict[str, int]()
    while (answer := await stage.embed(endpoint, given, "600s")).again_in is not None and sum(errors.values()) < 6:
        errors["429"] = errors.get("429", 0) + 1
        await asyncio.sleep(answer.again_in)
    seconds = asyncio.get_running_loop().time() - began
    if answer.status != 200:
        errors[str(answer.status)] = errors.get(str(answer.status), 0) + 1
    found = vectors(answer) if answer.status == 200 else [None] * len(given)
    return Found(seconds, given, found, errors), endpoint.key


async def _theirs(stage: Stage, course: Course, name: str, batch: int) -> tuple[Found, str]:
    place, _, script = PEERS[name][0].partition("/")
    key = f"sk-{script}"
    job = {
        "url": f"{stage.url}/v1",
        "key": key,
        "model": MODEL,
        "rpm": course.rpm,
        "tpm": course.tpm,
        "batch": batch,
        "texts": course.texts,
    }
    path = stage.folder / f"{course.name} {script}.json"
    path.write_text(json.dumps(job))
    env = {
        "PATH": os.environ["PATH"],
        "HOME": str(stage.folder),
        "TIKTOKEN_CACHE_DIR": str(next(ROOT.glob(f".venvs/clients-frameworks/{TABLES}"))),
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # or it asks the internet for prices, while it is measured too
    }
    program = str(Path(__file__).parent / f"peers/{script}.py")
    running = await asyncio.create_subprocess_exec(
        str(ROOT / f".venvs/{place}/bin/python"),
        program,
        str(path),
        env=env,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=sys.stderr,
    )
    assert await running.wait() == 0, name
    return Found(**json.loads(path.with_suffix(".result").read_text())), key


def _told(name: str, course: Course, found: Found, ledger: Ledger) -> list[Row]:
    limits = course.limits
    sizes = [counted(item, limits.bytes_a_token) for item in found.inputs]
    lost = sum(vector is None for vector in found.vectors)
    rows = [
        Row(name, "texts lost, and wrong", f"{lost} of {course.count}, {wrong(found.inputs, found.vectors)}"),
        Row(name, "errors that the caller saw", tally(found.errors)),
        Row(name, "calls answered", str(len(ledger.calls))),
        Row(name, "calls refused by the provider", tally(ledger.refused)),
    ]
    if limits.tokens_per_minute is not None:
        embedded = sum(size for size, vector in zip(sizes, found.vectors, strict=True) if vector is not None)
        allowed = (limits.tokens_at_once or 0) + limits.tokens_per_minute / 60 * found.seconds
        a_minute = (course.count - lost) / found.seconds * 60
        rows.append(Row(name, "texts a minute, share of the limit", f"{a_minute:.0f}, {embedded / allowed:.1%}"))
    else:
        fewest = -(-sum(sizes) // limits.tokens_a_call)
        rows.append(Row(name, "fewest calls possible, seconds", f"{fewest}, {found.seconds:.1f}"))
    return rows
