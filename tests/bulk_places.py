"""Places in memory for bulk jobs, and an endpoint that answers and fails as it is told; with what each was asked."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from inferpoint.bulk.inference import Inference
from inferpoint.bulk.job import Pinned, Space, Spec
from inferpoint.bulk.sinks.sink import Part, Receipt, Row, Sink
from inferpoint.bulk.sources.source import Item, Source, Span
from inferpoint.bulk.working import GRACE
from inferpoint.clock import SystemClock
from inferpoint.errors import InferenceError, Kind
from inferpoint.model.chat import TextPart
from inferpoint.model.requests import InferenceRequest
from inferpoint.model.results import Choice, Completion, Embeddings, InferenceResult, Usage

SPACE = Space("m", 1, "cosine")
PINNED = Pinned("text_embedding", "openai", SPACE, None, {"a": "1"})
SPEC = Spec(endpoint="e", source="memory", sink="memory")


class MemorySource(Source):
    """Items of one object, which ends early or breaks where it is told."""

    def __init__(
        self, items: Sequence[Item], breaks_at: int | None = None, error: InferenceError | None = None
    ) -> None:
        self.items = items
        self.breaks_at = breaks_at
        self.error = error

    def fingerprints(self) -> Mapping[str, str]:
        return {"a": "1"}

    def spans(self, most: int) -> Iterator[Span]:
        for begin in range(0, len(self.items), most):
            end = min(begin + most, len(self.items))
            yield Span("a", begin, end, end - begin)

    def read(self, span: Span, skip: int = 0) -> Iterator[Item]:
        for place in range(span.begin + skip, span.end):
            if place == self.breaks_at and self.error is not None:
                raise self.error
            yield self.items[place]


class MemorySink(Sink):
    """Rows by parts; `failing` writes fail first, one by one, and `refused` documents are rejected."""

    def __init__(self) -> None:
        self.parts: dict[str, list[Row]] = {}
        self.failing: list[InferenceError] = []
        self.refused: dict[str, str] = {}
        self.finished: list[Receipt] = []

    def open(self, space: Space) -> None:
        pass

    def write(self, part: Part, rows: Sequence[Row]) -> Receipt:
        if self.failing:
            raise self.failing.pop()
        kept = [row for row in rows if row.document not in self.refused]
        rejected = {row.document: self.refused[row.document] for row in rows if row.document in self.refused}
        self.parts[part.name] = kept
        return Receipt(len(kept), part.name, rejected=rejected)

    def finish(self, receipts: Sequence[Receipt]) -> None:
        self.finished = list(receipts)

    def ids(self, receipts: Sequence[Receipt]) -> Iterator[str]:
        for receipt in receipts:
            if receipt.file is not None:
                yield from (row.id for row in self.parts[receipt.file])

    def held(self, receipts: Sequence[Receipt]) -> Counter[str]:
        return Counter(self.ids(receipts))


class Scripted(Inference):
    """An endpoint: the vector of a text is its length. `outages` are raised first, `faults` are of single texts."""

    def __init__(self, task_type: str = "text_embedding") -> None:
        self.task_type = task_type
        self.asked: Counter[str] = Counter()
        self.outages: list[InferenceError] = []
        self.faults: dict[str, InferenceError | list[InferenceError]] = {}
        self.at_once = self.most_at_once = 0
        self.most = 10**9  # texts of a request
        self.refused: set[str] = set()  # with whom a request is refused as a whole
        self.open = asyncio.Event()
        self.open.set()
        self.changed = asyncio.Condition()

    async def busy(self, texts: int) -> None:
        """Wait until so many texts are being asked for."""
        async with self.changed:
            await self.changed.wait_for(lambda: self.at_once >= texts)

    async def shown(self) -> Mapping[str, Any]:
        return {"inference_id": "e", "task_type": self.task_type, "service": "openai", "service_settings": {}}

    async def infer(self, request: InferenceRequest) -> InferenceResult:
        self.at_once += len(request.texts)
        self.most_at_once = max(self.most_at_once, self.at_once)
        async with self.changed:
            self.changed.notify_all()
        try:
            await self.open.wait()
            await asyncio.sleep(0)
        finally:
            self.at_once -= len(request.texts)
        if self.outages:
            raise self.outages.pop()
        if len(request.texts) > self.most or self.refused.intersection(request.texts):
            raise InferenceError(Kind.INVALID, "too much, or not this")
        request.stats.calls += 1
        self.asked.update(request.texts)
        if self.task_type == "completion":
            return self._completed(request.texts[0])
        errors = {place: error for place, text in enumerate(request.texts) if (error := self._fault(text)) is not None}
        vectors = [None if place in errors else vector(text) for place, text in enumerate(request.texts)]
        return Embeddings(vectors, Usage(input=len(request.texts)), errors=errors)

    def _completed(self, text: str) -> Completion:
        if (error := self._fault(text)) is not None:
            raise error
        return Completion([Choice.of([TextPart(text.upper())])], Usage(1, 2))

    def _fault(self, text: str) -> InferenceError | None:
        fault = self.faults.get(text)
        if isinstance(fault, list):
            return fault.pop() if fault else None
        return fault


class Hurried(SystemClock):
    """The machine's clock, on which nobody waits long; but who is to stop waits for answers as long as it takes."""

    def __init__(self) -> None:
        self.waits: list[float] = []
        self.gives_up = False

    async def sleep(self, seconds: float, /) -> None:
        self.waits.append(seconds)
        if seconds == GRACE and not self.gives_up:
            await asyncio.Event().wait()
        await asyncio.sleep(min(seconds, 0.01))


def vector(text: str) -> msgspec.Raw:
    return msgspec.Raw(f"[{len(text)}]".encode())


def items(count: int) -> list[Item]:
    return [Item(f"text {number}", f"d{number}") for number in range(count)]


def outage(kind: Kind = Kind.RATE_LIMITED, retry_after: float | None = None) -> InferenceError:
    return InferenceError(kind, "not now", retry_after=retry_after)
