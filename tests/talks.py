"""Conversations as hypothesis makes them, and what any of them means, whatever words it is written in."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st
from msgspec.structs import replace

from inferpoint.model.chat import ImagePart, Message, Part, Role, TextPart, Thought, Tool, ToolUse
from inferpoint.model.results import Usage

Item = tuple[Any, ...]  # the side, the kind, and what there is of it


@dataclass(frozen=True)
class Spoken:
    """What a model answers; `reason` is in OpenAI's words."""

    parts: tuple[Part, ...]
    reason: str
    usage: Usage


@dataclass(frozen=True)
class Talk:
    """A conversation: what a client says, and where a model answers."""

    steps: tuple[Message | Spoken, ...]
    tools: tuple[Tool, ...]


NOTHING: st.SearchStrategy[Any] = st.none()


@dataclass(frozen=True)
class Manner:
    """What a model of one wire says: how it thinks, whether words and calls take turns, whether it sees addresses."""

    thoughts: st.SearchStrategy[Thought]
    free: bool
    addresses: bool
    reasoning: bool  # whether tokens of thoughts are counted
    beside: st.SearchStrategy[Any] = NOTHING  # what stands beside a call
    caches: bool = True  # whether tokens of a cache are counted


PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(12)).decode()
TEXTS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=12).filter(str.strip)
NAMES = st.from_regex(r"[a-zA-Z0-9_-]{1,12}", fullmatch=True)
VALUES = st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | TEXTS | st.booleans()
ARGUMENTS = st.dictionaries(TEXTS, VALUES | st.lists(VALUES, max_size=2) | st.none(), max_size=3).map(json.dumps)
SEALS = st.binary(min_size=1, max_size=12).map(base64.b64encode).map(bytes.decode)
SEALED = st.builds(Thought, TEXTS, SEALS) | st.builds(Thought, redacted=SEALS)
FOREIGN = st.from_regex(r"[a-z]{1,8}[.:/ ][0-9]", fullmatch=True) | st.text("xyz", min_size=70, max_size=80)


class _Calls:
    """Calls whose ids are all different."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = names
        self._count = 0

    def draw(
        self, draw: st.DrawFn, ids: st.SearchStrategy[str] | None = None, beside: st.SearchStrategy[Any] = NOTHING
    ) -> ToolUse:
        self._count += 1
        called = f"call_{self._count}" if ids is None else f"{draw(ids)}{self._count}"
        return ToolUse(called, draw(st.sampled_from(self._names)), draw(ARGUMENTS), extra=draw(beside))


@st.composite
def talks(draw: st.DrawFn, manner: Manner) -> Talk:
    """Conversations that a model of *manner* is asked to go on with, one to three times; each ends with its answer."""
    names = draw(st.lists(NAMES, min_size=1, max_size=3, unique=True))
    calls = _Calls(names)
    steps: list[Message | Spoken] = [
        Message(Role.SYSTEM, (TextPart(text),)) for text in draw(st.lists(TEXTS, max_size=2))
    ]
    if draw(st.booleans()):
        steps += _before(draw, calls, manner)
    asked = draw(st.integers(1, 3))
    pending: Sequence[ToolUse] = ()
    for _ in range(asked):
        steps += [_result(draw, use, manner) for use in draw(st.permutations(pending))]
        if not pending or draw(st.booleans()):
            steps.append(Message(Role.USER, _content(draw, manner)))
        answer = _answer(draw, calls, manner)
        steps.append(answer)
        pending = [part for part in answer.parts if isinstance(part, ToolUse)]
    tools = tuple(Tool(name, draw(st.none() | TEXTS), {"type": "object", "properties": {}}) for name in names)
    return Talk(tuple(steps), tools)


def _before(draw: st.DrawFn, calls: _Calls, manner: Manner) -> Iterator[Message]:
    """An exchange that another provider answered, with ids that this one may not take."""
    yield Message(Role.USER, _content(draw, manner))
    uses = [calls.draw(draw, FOREIGN) for _ in range(draw(st.integers(0, 2)))]
    words = [TextPart(draw(TEXTS))] if not uses or draw(st.booleans()) else []
    yield Message(Role.ASSISTANT, (*words, *uses))
    for use in uses:
        yield _result(draw, use, manner)


def _answer(draw: st.DrawFn, calls: _Calls, manner: Manner) -> Spoken:
    kinds = draw(st.lists(st.sampled_from(["thought", "text", "call"]), max_size=5))
    if not manner.free:
        kinds = [
            *(["thought"] if "thought" in kinds else []),
            *sorted(set(kinds) & {"text"}),
            *(k for k in kinds if k == "call"),
        ]
    made = {
        "thought": lambda: draw(manner.thoughts),
        "text": lambda: TextPart(draw(TEXTS)),
        "call": lambda: calls.draw(draw, beside=manner.beside),
    }
    parts = tuple(joined(made[kind]() for kind in kinds))
    called = any(isinstance(part, ToolUse) for part in parts)
    reason = "tool_calls" if called else draw(st.sampled_from(["stop", "length", "content_filter"]))
    counts = st.integers(0, 10**6)
    fresh, output, cached, written = (draw(counts) for _ in range(4))
    cached, written = (cached, written) if manner.caches else (0, 0)
    reasoning = min(output, draw(counts)) if manner.reasoning else 0
    return Spoken(parts, reason, Usage(fresh + cached + written, output, cached, reasoning, written))


def _content(draw: st.DrawFn, manner: Manner) -> tuple[TextPart | ImagePart, ...]:
    images = st.just(f"data:image/png;base64,{PNG}")
    if manner.addresses:
        images |= st.just("https://images.test/a.png")
    parts = st.builds(TextPart, TEXTS) | st.builds(ImagePart, images)
    return tuple(draw(st.lists(parts, min_size=1, max_size=3)))


def _result(draw: st.DrawFn, use: ToolUse, manner: Manner) -> Message:
    shown = draw(st.just(()) | st.tuples(st.builds(TextPart, TEXTS))) or (
        _content(draw, manner) if draw(st.booleans()) else ()
    )
    return Message(Role.TOOL, shown, tool_call_id=use.id, failed=draw(st.booleans()))


def joined(parts: Iterable[Any]) -> Iterator[Any]:
    """*parts*, of which texts that follow each other are one."""
    text = ""
    for part in parts:
        if isinstance(part, TextPart):
            text += part.text
            continue
        if text:
            yield TextPart(text)
            text = ""
        yield part
    if text:
        yield TextPart(text)


def usual(parts: Sequence[Part]) -> tuple[Part, ...]:
    """What an answer in OpenAI's format says of *parts*: all thoughts in words, all words, all calls."""
    thoughts = [part for part in parts if isinstance(part, Thought)]
    first = thoughts[0] if thoughts else Thought()
    thought = Thought("".join(part.text for part in thoughts), member=first.member, extra=first.extra)
    text = "".join(part.text for part in parts if isinstance(part, TextPart))
    uses = [part for part in parts if isinstance(part, ToolUse)]
    return (*([thought] if thought.text else []), *([TextPart(text)] if text else []), *uses)


def items(message: Message) -> Iterator[Item]:
    """What one *message* means."""
    if message.role is Role.TOOL:
        yield (
            "user",
            "result",
            message.tool_call_id,
            tuple(_item(part) for part in joined(message.parts)),
            message.failed,
        )
        return
    for part in message.parts:
        yield message.role.value, *_item(part)


def _item(part: Any) -> Item:
    match part:
        case TextPart(text):
            return "text", text
        case ImagePart(url):
            return "image", url
        case Thought(text, signature, redacted, member=member, extra=extra):
            return "thought", text, signature, redacted, member, extra
        case ToolUse(called, name, arguments, extra=extra):
            return "call", called, name, json.loads(arguments), extra
        case _:
            raise AssertionError(part)


def meaning(messages: Iterable[Message]) -> list[Item]:
    """What *messages* mean, in order. That neighbours of one side are one turn or two is no difference."""
    found: list[Item] = []
    for item in (item for message in messages for item in items(message)):
        match found[-1:], item:
            case [(before, "text", text)], (side, "text", more) if before == side:
                found[-1] = (side, "text", text + more)
            case _:
                found.append(item)
    return found


def answered(spoken: Spoken) -> Message:
    """The turn of history that an answer is."""
    return Message(Role.ASSISTANT, spoken.parts)


def without_thoughts(message: Message) -> Message:
    """*message* with neither thoughts nor what stood beside its calls."""
    parts = (part for part in message.parts if not isinstance(part, Thought))
    plain = (replace(part, extra=None) if isinstance(part, ToolUse) else part for part in parts)
    return replace(message, parts=tuple(plain))
