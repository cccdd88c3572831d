"""Whole answers of Gemini, and the candidates that its streams have too. https://ai.google.dev/api/generate-content."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
from msgspec.structs import replace

from inferpoint.errors import InferenceError, Upstream, kind_of_status
from inferpoint.model.chat import TextPart, Thought
from inferpoint.model.http import Reply, parse, unreadable
from inferpoint.model.results import AnswerPart, Choice, Completion, Usage
from inferpoint.protocols.gemini.requests import GOOGLE, SIGNATURE
from inferpoint.protocols.openai.replies import text
from inferpoint.protocols.readers import Calls, compact, count, members

_BLOCKED, _FAILED = 400, 502  # the statuses that such answers would have
_FAILURES = frozenset({
    "MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS", "MISSING_THOUGHT_SIGNATURE",
    "MALFORMED_RESPONSE",
})  # fmt: skip


class _Function(msgspec.Struct):
    id: Any = None
    name: Any = None
    args: msgspec.Raw = msgspec.field(default_factory=lambda: msgspec.Raw(b"{}"))


class _Part(msgspec.Struct, rename="camel"):
    text: Any = None
    thought: Any = None
    thought_signature: Any = None
    function_call: _Function | None = None


class _Content(msgspec.Struct):
    parts: list[_Part | None] | None = None


class Candidate(msgspec.Struct, rename="camel"):
    """An answer, or a piece of one."""

    content: _Content | None = None
    finish_reason: Any = None
    finish_message: Any = None


class Answer(msgspec.Struct, rename="camel"):
    """A whole reply, or an event of a stream."""

    candidates: list[Candidate] | None = None
    prompt_feedback: Any = None
    usage_metadata: Any = None
    model_version: Any = None
    response_id: Any = None
    error: Any = None

    @property
    def refused(self) -> InferenceError | None:
        """The error of a prompt that was blocked, which has no answer."""
        feedback = members(self.prompt_feedback)
        reason = text(feedback.get("blockReason"))
        if self.candidates or not reason:
            return None
        return _failed(_BLOCKED, f"The prompt was blocked: {reason}", feedback.get("blockReasonMessage"), reason)


class Parts:
    """The reader of one answer's parts, whole or in pieces; *of* names it in errors."""

    def __init__(self, of: str) -> None:
        self._of = of
        self._calls = Calls()
        self._count = 0

    def read(self, candidate: Candidate) -> Iterator[AnswerPart]:
        """The parts of *candidate*; a text that is sealed is followed by its seal, as a thought without words."""
        for part in (candidate.content and candidate.content.parts) or ():
            if part is None:
                continue
            signature = text(part.thought_signature) or None
            if part.function_call is not None:
                yield self._call(part.function_call, signature)
            elif part.thought is True:
                yield Thought(text(part.text), signature)
            else:
                yield TextPart(text(part.text))
                if signature:
                    yield Thought(signature=signature)

    def _call(self, function: _Function, signature: str | None) -> AnswerPart:
        if not isinstance(function.name, str):
            raise unreadable(self._of, "a tool call has no name")
        self._count += 1
        extra = {GOOGLE: {SIGNATURE: signature}} if signature else None
        begun = self._calls.begin(self._count, text(function.id), function.name, extra=extra)
        return replace(begun, arguments=compact(function.args, self._of))

    def reason(self, candidate: Candidate) -> str | None:
        """Why the answer ended, where it did; an error of one that the model could not end."""
        word = text(candidate.finish_reason)
        if word in _FAILURES:
            raise _failed(_FAILED, f"The model failed to answer: {word}", candidate.finish_message, word)
        return self._calls.reason(word) if word else None


def _failed(status: int, problem: str, message: Any, name: str) -> InferenceError:
    words = f"{problem}. {message}" if text(message) else problem
    return InferenceError(kind_of_status(status), words, upstream=Upstream(status, words, name))


def completion(label: str, reply: Reply, *_context: object) -> Completion:
    """Each candidate as a choice; *label* names the task in errors."""
    of = f"{label} response"
    answer = parse(reply.body, Answer, of=of)
    if (refused := answer.refused) is not None:
        raise refused
    if not answer.candidates:
        raise unreadable(of, "it has no candidate")
    choices = [_choice(candidate, of) for candidate in answer.candidates]
    return Completion(choices, spent(answer.usage_metadata), text(answer.response_id), text(answer.model_version))


def _choice(candidate: Candidate, of: str) -> Choice:
    parts = Parts(of)
    answered = list(parts.read(candidate))
    reason = parts.reason(candidate)
    if not answered and reason is None:
        raise unreadable(of, "a candidate has no content")
    return Choice.of(answered, reason or parts.reason(Candidate(finish_reason="STOP")))


def spent(told: Any) -> Usage | None:
    """The cost that `usageMetadata` tells; tokens of thoughts are beside those of the candidates there."""
    counts: Mapping[str, Any] = members(told)
    prompt, tools, wrote, thought, cached = (
        count(counts.get(f"{name}TokenCount"))
        for name in ("prompt", "toolUsePrompt", "candidates", "thoughts", "cachedContent")
    )
    if prompt is None and wrote is None and thought is None:
        return None
    return Usage((prompt or 0) + (tools or 0), (wrote or 0) + (thought or 0), cached or 0, thought or 0)
