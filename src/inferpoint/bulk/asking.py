"""The texts of a part become results: asked for until each has one, or a reason that is its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from inferpoint.bulk.inference import Inference
from inferpoint.bulk.job import FailureKind, Paid
from inferpoint.clock import Clock
from inferpoint.errors import InferenceError, Kind
from inferpoint.model.price import Price
from inferpoint.model.quota import Cost
from inferpoint.model.requests import Chunking, InferenceRequest, InputType
from inferpoint.model.results import (
    ChunkedEmbeddings,
    Completion,
    Embeddings,
    InferenceResult,
    SparseEmbeddings,
    Usage,
)

SECONDS = 600.0  # of one request: retries of what is ingested go on until then
LONGEST_PAUSE = 60.0  # seconds between two tries of what is refused for now
_PROMPTS = 32  # completions at once
_OF_NOW = frozenset({Kind.RATE_LIMITED, Kind.OVERLOADED, Kind.TIMED_OUT, Kind.CUT_OFF, Kind.UNREADABLE, Kind.INTERNAL})
OF_THE_ITEM = frozenset({Kind.INVALID, Kind.CONTEXT_OVERFLOW, Kind.TOO_LARGE})

Value = Any  # a vector as it came, weights of tokens, a text, or a sequence of `Chunk`


@dataclass
class Answers:
    """What became of texts, by their places: a value, or a kind of failure and words; and what it cost."""

    values: dict[int, Value] = field(default_factory=dict[int, Value])
    failures: dict[int, tuple[FailureKind, str]] = field(default_factory=dict[int, tuple[FailureKind, str]])
    usage: Usage = field(default_factory=Usage)
    calls: int = 0


@dataclass(frozen=True)
class Asking:
    """How texts are asked for: all at once of an endpoint that embeds, one by one of one that completes.

    `waiting` is told why the work stands still, and None when it goes on.
    """

    inference: Inference
    clock: Clock
    embeds: bool
    chunked: bool = False
    options: Mapping[str, Any] = field(default_factory=dict[str, Any])
    price: Price | None = None
    waiting: Callable[[InferenceError | None], None] = lambda _error: None

    async def ask(self, texts: Mapping[int, str]) -> Answers:
        """The answers to all *texts*; what fails for now is asked again, what concerns all of them is raised."""
        answers, left, pause = Answers(), dict(texts), 1.0
        while left:
            refusal = await (self._embed(left, answers) if self.embeds else self._complete(left, answers))
            left = {
                place: text
                for place, text in left.items()
                if place not in answers.values and place not in answers.failures
            }
            self.waiting(refusal if left else None)
            if left and refusal is not None:
                await self.clock.sleep(min(refusal.retry_after or pause, LONGEST_PAUSE))
                pause = min(pause * 2, LONGEST_PAUSE)
        return answers

    def requests(self, texts: Mapping[int, str]) -> list[tuple[list[int], InferenceRequest]]:
        """The requests for *texts*, each with the places of those that are in it: one of all, or one of each prompt."""
        if not self.embeds:
            return [
                ([place], InferenceRequest((prompt,), options=self.options, timeout=SECONDS))
                for place, prompt in texts.items()
            ]
        request = InferenceRequest(
            tuple(texts.values()),
            InputType.INGEST,
            options=self.options,
            chunking=Chunking(return_text=True) if self.chunked else None,
            partial=True,
            packed=True,
            timeout=SECONDS,
        )
        return [(list(texts), request)]

    def paid(self, answers: Answers) -> Paid:
        """What *answers* cost."""
        usage = answers.usage
        cost = Cost(0, usage.input + usage.output, usage.output, usage.cached, usage.cache_written, answers.calls)
        return Paid(answers.calls, cost.tokens, None if self.price is None else self.price.nano_usd(cost))

    async def _embed(self, left: Mapping[int, str], answers: Answers) -> InferenceError | None:
        """Take in what one request answers; the refusal of what has to be asked again, if there is some."""
        ((places, request),) = self.requests(left)
        try:
            result = await self.inference.infer(request)
        except InferenceError as error:
            answers.calls += request.stats.calls
            if len(places) > 1 and error.kind in OF_THE_ITEM:  # too much at once, or of one of them
                return await self._embed_by_halves(left, answers)
            return for_now(error, answers, places)
        answers.calls += request.stats.calls
        values, usage, errors = read(result)
        answers.usage += usage or Usage()
        refusal: InferenceError | None = None
        for index, place in enumerate(places):
            if index in errors:
                refusal = for_now(errors[index], answers, [place]) or refusal
            else:
                answers.values[place] = values[index]
        return refusal

    async def _embed_by_halves(self, left: Mapping[int, str], answers: Answers) -> InferenceError | None:
        texts = list(left.items())
        half = len(texts) // 2
        first = await self._embed(dict(texts[:half]), answers)
        return await self._embed(dict(texts[half:]), answers) or first

    async def _complete(self, left: Mapping[int, str], answers: Answers) -> InferenceError | None:
        """Take in what the prompts are answered, so many of them at once."""
        turn = asyncio.Semaphore(_PROMPTS)

        async def one(place: int, request: InferenceRequest) -> InferenceError | None:
            async with turn:
                try:
                    result = await self.inference.infer(request)
                except InferenceError as error:
                    return for_now(error, answers, [place])
                finally:
                    answers.calls += request.stats.calls
            assert isinstance(result, Completion)
            answers.usage += result.usage or Usage()
            answers.values[place] = text_of(result)
            return None

        tasks: list[asyncio.Task[InferenceError | None]] = []
        try:
            async with asyncio.TaskGroup() as group:
                tasks += [group.create_task(one(place, request)) for (place,), request in self.requests(left)]
        except* InferenceError as errors:
            raise errors.exceptions[0] from None
        return next((refusal for task in tasks if (refusal := task.result()) is not None), None)


def text_of(completion: Completion) -> str:
    """What a model wrote to a prompt."""
    return completion.choices[0].text if completion.choices else ""


def read(result: InferenceResult) -> tuple[Sequence[Value], Usage | None, Mapping[int, InferenceError]]:
    """The value of each input of an embedding, what they cost, and the errors of those that have none."""
    match result:
        case Embeddings(vectors, usage, _, errors):
            return vectors, usage, errors
        case ChunkedEmbeddings(inputs, usage, _, errors):
            return inputs, usage, errors
        case SparseEmbeddings(weights, usage, errors):
            return [of_tokens for of_tokens, _ in weights], usage, errors
        case _:
            raise InferenceError(Kind.INTERNAL, f"A result of the type {type(result).__name__} is no embedding")


def passes(error: InferenceError) -> bool:
    """Whether what is refused with *error* may be taken later."""
    return error.kind in _OF_NOW or (error.upstream is not None and error.upstream.status >= 500)


def for_now(error: InferenceError, answers: Answers, places: Sequence[int]) -> InferenceError | None:
    """*error* where it passes; None where it is the items' own and written down; raised where it concerns them all."""
    if passes(error):
        return error
    if error.kind not in OF_THE_ITEM or len(places) > 1:
        raise error
    kind = FailureKind.TOO_LONG if error.kind is Kind.CONTEXT_OVERFLOW else FailureKind.REFUSED
    answers.failures[places[0]] = (kind, error.whole())
    return None
