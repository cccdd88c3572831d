"""Conversations for tests, in OpenAI's form, and the end of a stream of one."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from hypothesis import strategies as st
from msgspec.structs import replace

from inferpoint.model.chat import TextPart, Thought
from inferpoint.model.results import (
    AnswerPart,
    Choice,
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
from inferpoint.testing.conversations import asking

__all__ = ["ARGUMENTS", "NAMES", "WORDS", "asking", "dialogues", "substance", "usual_choice", "whole"]


def whole(deltas: Sequence[Delta]) -> Completion:
    """What a stream said, as one answer: how a client puts its pieces together."""
    begun, reason, stop_sequence = Started("", ""), None, None
    parts: list[AnswerPart] = []
    usage: Usage | None = None
    places: dict[int, int] = {}  # of the calls among the parts, by their ordinals
    for delta in deltas:
        match delta:
            case Started():
                begun = delta
            case Text(more):
                parts.append(TextPart(more))
            case Reasoning():
                _think(parts, delta)
            case ToolCall(ordinal) if ordinal in places:
                before = parts[places[ordinal]]
                assert isinstance(before, ToolCall)
                assert delta.id is delta.name is None
                arguments = before.arguments + delta.arguments
                parts[places[ordinal]] = ToolCall(
                    ordinal, before.id, before.name, arguments, before.extra or delta.extra
                )
            case ToolCall(ordinal):
                places[ordinal] = len(parts)
                parts.append(delta)
            case Finished(_, reason, stop_sequence):
                pass
            case Used(usage):
                pass
    assert list(places) == sorted(places)
    return Completion([Choice.of(parts, reason, stop_sequence)], usage, begun.id, begun.model)


def _think(parts: list[AnswerPart], piece: Reasoning) -> None:
    """Add a piece to the last of *parts*, where that is a thought that goes on: neither sealed nor redacted."""
    last = parts[-1] if parts else None
    if not isinstance(last, Thought) or last.signature or last.redacted or piece.redacted:
        parts.append(Thought(piece.text, piece.signature, piece.redacted, member=piece.member, extra=piece.extra))
    else:
        extra = {**(last.extra or {}), **(piece.extra or {})} or None
        parts[-1] = replace(last, text=last.text + piece.text, signature=piece.signature, extra=extra)


def usual_choice(
    text: str = "",
    tool_calls: Sequence[ToolCall] = (),
    reason: str | None = None,
    thoughts: Sequence[Thought] = (),
    stop_sequence: str | None = None,
) -> Choice:
    """An answer in the usual order: thoughts, all the text, calls."""
    return Choice.of([*thoughts, TextPart(text), *tool_calls], reason, stop_sequence)


WORDS = st.text(st.characters(codec="utf-8"), max_size=20)
NAMES = st.from_regex(r"[a-zA-Z0-9_-]{1,20}", fullmatch=True)
ARGUMENTS = st.dictionaries(WORDS, st.integers() | st.floats(allow_nan=False, allow_infinity=False) | WORDS, max_size=3)


@st.composite
def dialogues(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Messages of OpenAI's form: turns of all roles, calls of tools by unique ids and all their results."""
    found: list[dict[str, Any]] = [{"role": "user", "content": "Begin."}]
    calls = 0
    for kind in draw(
        st.lists(st.sampled_from(["system", "developer", "user", "parts", "assistant", "tools"]), max_size=6)
    ):
        match kind:
            case "parts":
                texts = draw(st.lists(WORDS, min_size=1, max_size=3))
                found.append({"role": "user", "content": [{"type": "text", "text": text} for text in texts]})
            case "tools":
                made = []
                for _ in range(draw(st.integers(1, 3))):
                    calls += 1
                    function = {"name": draw(NAMES), "arguments": json.dumps(draw(ARGUMENTS))}
                    made.append({"id": f"call_{calls}", "type": "function", "function": function})
                found.append({"role": "assistant", "content": draw(st.none() | WORDS), "tool_calls": made})
                found += [{"role": "tool", "tool_call_id": each["id"], "content": draw(WORDS)} for each in made]
            case role:
                found.append({"role": role, "content": draw(WORDS)})
    return found


def substance(messages: Sequence[Mapping[str, Any]]) -> tuple[list[str], list[tuple[Any, ...]]]:
    """What must arrive of OpenAI's messages: the system's words, and who said, called and answered what."""
    system: list[str] = []
    rest: list[tuple[Any, ...]] = []
    for message in messages:
        content = message.get("content") or ""
        texts = [content] if isinstance(content, str) else [part["text"] for part in content]
        texts = [text for text in texts if text.strip()]
        match message["role"]:
            case "system" | "developer":
                system += texts
            case "tool":
                rest.append(("user", "answers", message["tool_call_id"], "".join(texts)))
            case role:
                rest += [(role, "says", text) for text in texts]
                rest += [
                    (role, "calls", each["id"], each["function"]["name"], json.loads(each["function"]["arguments"]))
                    for each in message.get("tool_calls", ())
                ]
    match rest:
        case [*before, ("assistant", "says", text)]:  # an answer that is begun ends without white space
            return system, [*before, ("assistant", "says", text.rstrip())]
        case _:
            return system, rest
