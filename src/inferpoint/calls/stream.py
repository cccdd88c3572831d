"""A stream of a provider, from bytes to deltas; or a whole answer in its place."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator, Sequence

from typing_extensions import override

from inferpoint.calls import provider_errors
from inferpoint.calls.job import EndpointJob
from inferpoint.errors import InferenceError
from inferpoint.model.chat import TextPart, Thought
from inferpoint.model.http import Reply
from inferpoint.model.results import (
    AnswerPart,
    Completion,
    Delta,
    Finished,
    Reasoning,
    Started,
    Text,
    ToolCall,
    Usage,
    Used,
)
from inferpoint.outbound.transport import Arriving, Whole


class StreamReader:
    """The reader of the stream that answers *job*: what came before a fault is handed on before the fault.

    `usage` is what the stream has told so far of its cost.
    """

    def __init__(self, job: EndpointJob) -> None:
        resolved = job.resolved
        assert resolved.task.reader is not None
        self._job = job
        self._framing = resolved.task.framing()
        self._reader = resolved.task.reader(resolved.endpoint.settings)
        self._fault: InferenceError | None = None
        self.usage: Usage | None = None

    async def first(self, pieces: AsyncGenerator[bytes, None]) -> Sequence[Delta]:
        """The deltas that come first of all *pieces*, if any come."""
        async for piece in pieces:
            if deltas := self.feed(piece):
                return deltas
            self.check()
        return ()

    def feed(self, piece: bytes) -> Sequence[Delta]:
        """The deltas in *piece*, as far as it can be read."""
        deltas: list[Delta] = []
        try:
            for event in self._framing.feed(piece):
                deltas += self._reader.feed(event)
        except InferenceError as error:
            if error.upstream is not None:
                error = provider_errors.from_stream(self._job.resolved, error.upstream, self._job.secrets)
            self._fault = error
        return self._noted(deltas)

    def check(self) -> None:
        """Raise the fault, if there was one."""
        if self._fault is not None:
            raise self._fault

    def end(self) -> Sequence[Delta]:
        """The deltas that are left when the body ends."""
        deltas = [delta for event in self._framing.end() for delta in self._reader.feed(event)]
        return self._noted([*deltas, *self._reader.end()])

    def _noted(self, deltas: list[Delta]) -> list[Delta]:
        """*deltas* with an id for each call; what they tell of the cost is kept."""
        for place, delta in enumerate(deltas):
            if type(delta) is ToolCall:
                deltas[place] = self._job.call_ids.in_piece(delta)
            elif type(delta) is Used:
                self.usage = delta.usage
        return deltas


class WholeReader(StreamReader):
    """The reader of a *reply* that is the whole answer to *job*, from a provider that does not stream it."""

    def __init__(self, job: EndpointJob, reply: Reply) -> None:
        super().__init__(job)
        self._reply = reply

    @override
    def feed(self, piece: bytes) -> Sequence[Delta]:
        answer = self._job.decode(self._reply)
        assert isinstance(answer, Completion)
        return self._noted(list(deltas(answer)))

    @override
    def end(self) -> Sequence[Delta]:
        return ()


def reader_of(job: EndpointJob, arriving: Arriving) -> StreamReader:
    """The reader of what answers *job*: of events, under whatever type they come, or of one JSON object."""
    if isinstance(arriving, Whole) and arriving.reply.body.lstrip().startswith(b"{"):
        return WholeReader(job, arriving.reply)
    return StreamReader(job)


def deltas(answer: Completion) -> Iterator[Delta]:
    """A whole *answer* as the deltas of a stream that would have said it."""
    yield Started(answer.id, answer.model)
    for index, choice in enumerate(answer.choices):
        yield from map(_delta, choice.parts)
        yield Finished(index, choice.reason or "stop", choice.stop_sequence)
    if answer.usage is not None:
        yield Used(answer.usage)


def _delta(part: AnswerPart) -> Delta:
    match part:
        case TextPart(text):
            return Text(text)
        case Thought(text, signature, redacted, member=member, extra=extra):
            return Reasoning(text, signature, redacted, member, extra)
        case ToolCall():
            return part
