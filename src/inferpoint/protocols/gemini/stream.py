"""Answers of Gemini as they are streamed: each event is a whole reply with a piece of the answer in it."""

from __future__ import annotations

from collections.abc import Sequence

from typing_extensions import override

from inferpoint.model.chat import TextPart, Thought
from inferpoint.model.http import Event, Reply
from inferpoint.model.results import AnswerPart, Delta, Finished, Reasoning, Started, Text, Usage, Used
from inferpoint.protocols.gemini.replies import Answer, Parts, spent
from inferpoint.protocols.openai.failures import complaint, stands_for
from inferpoint.protocols.openai.replies import text
from inferpoint.protocols.readers import StreamReader, broken


class Answers(StreamReader):
    """The reader of one stream, which ends with its body.

    Why the answer ended and what it cost are told then: some models say both in every event.
    """

    def __init__(self, label: str) -> None:
        super().__init__(label)
        self._parts = Parts(self._of)
        self._started = False
        self._reason: str | None = None
        self._usage: Usage | None = None

    @override
    def feed(self, event: Event) -> Sequence[Delta]:
        answer = self._parsed(event, Answer)
        if answer.error:
            raise broken(stands_for(complaint(Reply(500, event.data))))
        if (refused := answer.refused) is not None:
            raise refused
        deltas: list[Delta] = []
        if not self._started:
            self._started = True
            deltas.append(Started(text(answer.response_id), text(answer.model_version)))
        for candidate in answer.candidates or ():
            deltas += [delta for part in self._parts.read(candidate) if (delta := _delta(part)) is not None]
            self._reason = self._parts.reason(candidate) or self._reason
        self._usage = spent(answer.usage_metadata) or self._usage
        return deltas

    @override
    def end(self) -> Sequence[Delta]:
        self._finished = self._reason is not None
        super().end()
        used = () if self._usage is None else (Used(self._usage),)
        return [Finished(0, self._reason or ""), *used]


def _delta(part: AnswerPart) -> Delta | None:
    match part:
        case TextPart(words):
            return Text(words) if words else None
        case Thought(words, signature):
            return Reasoning(words, signature) if words or signature else None
        case _:
            return part
