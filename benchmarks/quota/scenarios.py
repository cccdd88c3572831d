"""More is asked than a provider's limits allow: what is used of them, and what the caller gets."""

from __future__ import annotations

import asyncio
import math
import statistics
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from quota.asker import Answer
from quota.limits import Ledger, Limits, counted
from quota.stage import Row, Stage, quantile, tally, unserved, vectors
from quota.texts import texts, wrong

OVER = 5  # times the limit


@dataclass
class Ends:
    """How requests ended."""

    statuses: Counter[int] = field(default_factory=Counter[int])
    unexplained: int = 0
    wrong: int = 0
    refused_in: list[float] = field(default_factory=list[float])

    def add(self, answer: Answer, wrongs: Callable[[Answer], int]) -> None:
        """One more."""
        self.statuses[answer.status] += 1
        if answer.status == 200:
            self.wrong += wrongs(answer)
        elif answer.again_in is None:
            self.unexplained += 1
        else:
            self.refused_in.append(answer.seconds)


async def over_requests(stage: Stage) -> list[Row]:
    """Completions, which are never merged: 5 times as many as 3,000 a minute, each willing to wait 10 s."""
    limit = 3000
    await stage.limit(Limits(requests_per_minute=limit))
    endpoint = await stage.endpoint("completion", {"requests_per_minute": limit})

    async def one(number: int) -> tuple[Answer, Callable[[Answer], int]]:
        asked = f"question {number}"
        answer = await stage.server.ask("POST", f"{endpoint.path}?timeout=10s", {"input": asked})
        return answer, lambda found: found.json["completion"][0]["result"] != asked

    ends = await _offered(one, OVER * limit / 60, stage.seconds)
    ledger = await stage.ledger(endpoint.key)
    used = sum(at < ledger.calls[0][0] + stage.seconds for at, _, _ in ledger.calls)
    return _over("over, requests", used / (limit / 60 * stage.seconds), ledger, ends)


async def over_tokens(stage: Stage) -> list[Row]:
    """Texts of some 75 tokens, each with a `user` of its own: 5 times as many as 600,000 tokens a minute allow."""
    limit = 600_000
    limits = Limits(tokens_per_minute=limit, tokens_a_call=8_000, bytes_a_token=4.5)
    await stage.limit(limits)
    rate = {"requests_per_minute": 600_000, "tokens_per_minute": limit}
    endpoint = await stage.endpoint("text_embedding", rate)
    known = texts(2000, 80, "over")
    tokens = statistics.mean(counted(text, limits.bytes_a_token) for text in known)

    async def one(number: int) -> tuple[Answer, Callable[[Answer], int]]:
        asked = [f"{number} {known[number % len(known)]}"]
        answer = await stage.embed(endpoint, asked, "10s", user=f"user {number}")
        return answer, lambda found: wrong(asked, vectors(found))

    ends = await _offered(one, OVER * limit / 60 / tokens, stage.seconds)
    ledger = await stage.ledger(endpoint.key)
    used = sum(spent for at, _, spent in ledger.calls if at < ledger.calls[0][0] + stage.seconds)
    return _over("over, tokens", used / (limit / 60 * stage.seconds), ledger, ends)


async def merge(stage: Stage) -> list[Row]:
    """1,000 callers at once with a text each, at 3,000 requests a minute and 2,048 items a call."""
    callers, took, calls, bad = 1000, list[float](), list[int](), 0
    for time in range(stage.times):
        await stage.limit(Limits(requests_per_minute=3000))
        endpoint = await stage.endpoint("text_embedding", {"requests_per_minute": 3000})
        await stage.server.open(callers)
        given = texts(callers, 40, f"merge {time}")
        began = asyncio.get_running_loop().time()
        answers = await asyncio.gather(*(stage.embed(endpoint, [text]) for text in given))
        took.append(asyncio.get_running_loop().time() - began)
        calls.append(_made(await stage.ledger(endpoint.key)))
        bad += sum(unserved([text], answer) for text, answer in zip(given, answers, strict=True))
    seconds = statistics.median(took)
    return [
        Row("merge", "seconds until 1,000 callers are served", f"{seconds:.2f}", "< 3", seconds < 3),
        Row("merge", "calls made", f"{statistics.median(calls):.0f}"),
        Row("merge", "callers without their vector", str(bad), "0", bad == 0),
    ]


async def pack(stage: Stage) -> list[Row]:
    """A list of 20,000 texts where a call may have 75,000 tokens, which only the provider's refusals tell."""
    limits = Limits(requests_per_minute=60_000, tokens_a_call=75_000)
    await stage.limit(limits)
    endpoint = await stage.endpoint("text_embedding", {"requests_per_minute": 60_000})
    rows: list[Row] = []
    before = Ledger()
    for name in ("pack", "pack, once learnt"):
        given = texts(20_000, 100, name)
        fewest = math.ceil(sum(counted(text, limits.bytes_a_token) for text in given) / limits.tokens_a_call)
        answer = await stage.embed(endpoint, given, "120s")
        ledger = await stage.ledger(endpoint.key)
        refused = sum(ledger.refused.values()) - sum(before.refused.values())
        calls = len(ledger.calls) - len(before.calls)
        bad = unserved(given, answer)
        before = ledger
        rows += [
            Row(name, "the caller's status", str(answer.status), "200", answer.status == 200),
            Row(name, "texts without their vector", str(bad), "0", bad == 0),
            Row(name, "calls answered, and fewest possible", f"{calls}, {fewest}"),
            Row(name, "calls refused by the provider", str(refused)),
            Row(name, "seconds", f"{answer.seconds:.2f}"),
        ]
    return rows


async def cache(stage: Stage) -> list[Row]:
    """A list of which 90 % were embedded before, and ten callers with the same text at once."""
    await stage.limit(Limits(requests_per_minute=60_000))
    endpoint = await stage.endpoint("text_embedding", {"requests_per_minute": 60_000}, cache={})
    given = texts(1000, 100, "cache")
    await stage.embed(endpoint, given[:900])
    before = await stage.ledger(endpoint.key)
    answer = await stage.embed(endpoint, given)
    after = await stage.ledger(endpoint.key)
    paid = _tokens(after) - _tokens(before)
    share = paid / sum(counted(text, 4.0) for text in given)
    known = sum(counted(text, 4.0) for text in given[900:]) / sum(counted(text, 4.0) for text in given)
    bad = unserved(given, answer)
    answers = await asyncio.gather(*(stage.embed(endpoint, ["the same"]) for _ in range(10)))
    bad += sum(unserved(["the same"], each) for each in answers)
    calls = _made(await stage.ledger(endpoint.key)) - _made(after)
    return [
        Row("cache", "tokens paid for, 90 % of texts known", f"{share:.1%}", f"{known:.1%}", share <= known),
        Row("cache", "calls for ten callers with the same text", str(calls), "1", calls == 1),
        Row("cache", "texts without their vector", str(bad), "0", bad == 0),
    ]


async def _offered(
    one: Callable[[int], Awaitable[tuple[Answer, Callable[[Answer], int]]]], rate: float, seconds: float
) -> Ends:
    """Begin *rate* requests a second, whatever comes of those before; how all of them ended."""
    loop, ends = asyncio.get_running_loop(), Ends()

    async def ended(number: int) -> None:
        ends.add(*await one(number))

    async with asyncio.TaskGroup() as group:
        began = loop.time()
        for number in range(int(rate * seconds)):
            await asyncio.sleep(max(0.0, began + number / rate - loop.time()))
            group.create_task(ended(number))
    return ends


def _over(name: str, share: float, ledger: Ledger, ends: Ends) -> list[Row]:
    refused = sum(ledger.refused.values()) / max(1, _made(ledger))
    neither = ends.unexplained
    unheard = len(ledger.calls) - ends.statuses[200]
    rows = [
        Row(name, "share of the limit used", f"{share:.1%}", "≥ 98 %", share >= 0.98),
        Row(name, "calls that the provider refused", f"{refused:.2%}", "≤ 0.5 %", refused <= 0.005),
        Row(name, "requests without an answer or an explicit 429", str(neither), "0", neither == 0),
        Row(name, "calls answered too late for whoever asked", str(unheard)),
        Row(name, "wrong answers", str(ends.wrong), "0", ends.wrong == 0),
        Row(name, "how requests ended", tally(ends.statuses)),
    ]
    if ends.refused_in:
        rows.append(Row(name, "p95 until a 429 in ms", f"{quantile(ends.refused_in, 0.95) * 1e3:.0f}"))
    return rows


def _made(ledger: Ledger) -> int:
    return len(ledger.calls) + sum(ledger.refused.values())


def _tokens(ledger: Ledger) -> int:
    return sum(tokens for _, _, tokens in ledger.calls)
