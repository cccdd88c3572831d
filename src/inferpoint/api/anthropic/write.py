"""Results and deltas as Anthropic's messages and events."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from inferpoint.errors import InferenceError, Kind
from inferpoint.model.http import parse
from inferpoint.model.results import Completion, Delta, Finished, Started, Text, ToolCall, Usage, Used
from inferpoint.protocols import sse

_REASONS = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use", "content_filter": "refusal"}


def message(result: Completion, name: str, model: str) -> dict[str, Any]:
    """A whole answer. What a model thought is not told: Anthropic tells it only when asked, which is refused here."""
    choice = result.choices[0]
    content: list[dict[str, Any]] = [{"type": "text", "text": choice.text}] if choice.text else []
    for call in choice.tool_calls:
        arguments = parse((call.arguments or "{}").encode(), dict[str, Any], of="arguments of a tool call")
        content.append({"type": "tool_use", "id": call.id, "name": call.name, "input": arguments})
    return {
        **_shell(result.id or name, result.model or model),
        "content": content,
        "stop_reason": reason(choice.reason or "stop"),
        "usage": usage(result.usage),
    }


def reason(ended: str) -> str:
    """Why an answer ended, from OpenAI's words."""
    return _REASONS.get(ended, "end_turn")


def usage(used: Usage | None) -> dict[str, int]:
    """`usage`; what was cached is not among the input tokens in Anthropic's count."""
    used = used or Usage()
    counts = {"input_tokens": max(0, used.input - used.cached), "output_tokens": used.output}
    return {**counts, "cache_read_input_tokens": used.cached} if used.cached else counts


def event(name: str, **members: Any) -> bytes:
    """One event; clients pass over those without their `event:` line."""
    return sse.json_event({"type": name, **members}, name)


class Events:
    """Writes one stream: blocks open and close one after the other, the cost and the reason come last."""

    def __init__(self, name: str, model: str) -> None:
        self._shell = (name, model)
        self._begun = False
        self._used: Usage | None = None
        self._reason = "stop"
        self._open: int | str | None = None  # the ordinal of a tool's call, or text
        self._opened: list[int | str] = []

    def feed(self, deltas: Sequence[Delta]) -> bytes:
        """The events of *deltas*."""
        return b"".join(written for delta in deltas for written in self._of(delta))

    def end(self) -> bytes:
        """The events that end a whole answer."""
        last = {"delta": {"stop_reason": reason(self._reason), "stop_sequence": None}, "usage": usage(self._used)}
        closing = [*self._begin("", ""), *self._close(), event("message_delta", **last), event("message_stop")]
        return b"".join(closing)

    def _of(self, delta: Delta) -> Iterator[bytes]:
        match delta:
            case Started(name, model):
                yield from self._begin(name, model)
            case Text(text):
                yield from self._in("text", {"type": "text", "text": ""})
                yield self._more({"type": "text_delta", "text": text})
            case ToolCall(ordinal, called, name, arguments):
                yield from self._in(ordinal, {"type": "tool_use", "id": called, "name": name, "input": {}})
                if arguments:
                    yield self._more({"type": "input_json_delta", "partial_json": arguments})
            case Finished(0, ended):
                self._reason = ended
            case Used(used):
                self._used = used
            case _:
                return

    def _begin(self, name: str, model: str) -> Iterator[bytes]:
        if not self._begun:
            self._begun = True
            shell = _shell(name or self._shell[0], model or self._shell[1])
            message: dict[str, Any] = {**shell, "content": [], "stop_reason": None, "usage": usage(self._used)}
            yield event("message_start", message=message)

    def _in(self, key: int | str, block: dict[str, Any]) -> Iterator[bytes]:
        """See that the block of *key* is the open one."""
        yield from self._begin("", "")
        if self._open == key:
            return
        if key in self._opened and key != "text":
            raise InferenceError(Kind.UNREADABLE, "The provider goes on with a tool call that had ended")
        yield from self._close()
        self._open = key
        self._opened.append(key)
        yield event("content_block_start", index=len(self._opened) - 1, content_block=block)

    def _more(self, delta: dict[str, Any]) -> bytes:
        return event("content_block_delta", index=len(self._opened) - 1, delta=delta)

    def _close(self) -> Iterator[bytes]:
        if self._open is not None:
            self._open = None
            yield event("content_block_stop", index=len(self._opened) - 1)


def _shell(name: str, model: str) -> dict[str, Any]:
    return {"id": name, "type": "message", "role": "assistant", "model": model, "stop_sequence": None}
