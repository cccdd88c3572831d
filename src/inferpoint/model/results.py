"""Results of an inference, whole and in pieces, the same for every face and every service."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
from msgspec.structs import replace
from typing_extensions import override

from inferpoint.errors import InferenceError
from inferpoint.model.chat import TextPart, Thought
from inferpoint.model.vectors import numbers


class Usage(msgspec.Struct, frozen=True):
    """Tokens, as the provider counted them.

    Those that a cache gave (`cached`) and took (`cache_written`) are among the `input`, thoughts among the `output`.
    """

    input: int = 0
    output: int = 0
    cached: int = 0
    reasoning: int = 0
    cache_written: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.input + other.input,
            self.output + other.output,
            self.cached + other.cached,
            self.reasoning + other.reasoning,
            self.cache_written + other.cache_written,
        )


class _Large(msgspec.Struct, frozen=True):
    """A result that may be large: its repr shows how much of it there is, and not what it is."""

    def _amounts(self) -> list[str]:
        raise NotImplementedError

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(self._amounts())})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        """The amounts, which `rich` shows in place of all members."""
        return [("holds", ", ".join(self._amounts()))]


def _amounts(of: str, count: int, usage: Usage | None, errors: Mapping[int, InferenceError] | None = None) -> list[str]:
    return [f"{count} {of}", *([str(usage)] if usage else []), *([f"{len(errors)} errors"] if errors else [])]


class Embeddings(_Large, frozen=True):
    """Dense vectors in the order of the inputs.

    Each is JSON text as it came (`msgspec.Raw` of an array of numbers, or for a request that takes it packed perhaps of
    base64): between provider and caller nobody reads the numbers. `cut` are the places of inputs that were shortened to
    fit the model, `errors` those of a partial request that have no embedding (their vectors are None), and why.
    """

    vectors: Sequence[Any]
    usage: Usage | None = None
    cut: frozenset[int] = frozenset()
    errors: Mapping[int, InferenceError] = {}

    def numbers(self) -> list[list[float]]:
        """The vectors as numbers, for callers that compute with them; `UNREADABLE` when one has no place in a float.

        An input of `errors` has none: its list is empty.
        """
        return [[] if vector is None else list(numbers(vector)) for vector in self.vectors]

    @override
    def _amounts(self) -> list[str]:
        return _amounts("vectors", len(self.vectors), self.usage, self.errors)


class Chunk(msgspec.Struct, frozen=True):
    """A piece of an input, with its offsets in code points and its vector as JSON text."""

    start_offset: int
    end_offset: int
    vector: Any
    text: str | None = None


class ChunkedEmbeddings(_Large, frozen=True):
    """For each input its chunks, in order. `cut` counts chunks that were shortened; `errors` as in `Embeddings`."""

    inputs: Sequence[Sequence[Chunk]]
    usage: Usage | None = None
    cut: int = 0
    errors: Mapping[int, InferenceError] = {}

    @override
    def _amounts(self) -> list[str]:
        return _amounts("chunks", sum(map(len, self.inputs)), self.usage, self.errors)


class Previewed(msgspec.Struct, frozen=True):
    """A chunk that an input would have: its offsets, its words, and how many of them the chunk before has too."""

    start_offset: int
    end_offset: int
    words: int
    overlap: int
    text: str


class SparseEmbeddings(_Large, frozen=True):
    """For each input the weights of its tokens, and whether it was cut; `errors` as in `Embeddings`."""

    weights: Sequence[tuple[Mapping[str, float], bool]]
    usage: Usage | None = None
    errors: Mapping[int, InferenceError] = {}

    @override
    def _amounts(self) -> list[str]:
        return _amounts("vectors", len(self.weights), self.usage, self.errors)


class Ranked(msgspec.Struct, frozen=True):
    """One document: its place in the input, its score, its text where asked for."""

    index: int
    score: float
    text: str | None = None


class Ranking(_Large, frozen=True):
    """Documents, best first."""

    ranked: Sequence[Ranked]
    usage: Usage | None = None

    @override
    def _amounts(self) -> list[str]:
        return _amounts("documents", len(self.ranked), self.usage)


class ToolCall(msgspec.Struct, frozen=True):
    """A piece of a tool call: the n-th of this answer (`ordinal`), and a fragment of its arguments' JSON.

    The first piece has `id` and `name`, and `extra` as in `ToolUse`; together the fragments are never empty.
    """

    ordinal: int
    id: str | None = None
    name: str | None = None
    arguments: str = ""
    extra: Mapping[str, Any] | None = None


AnswerPart = TextPart | Thought | ToolCall


class Choice(msgspec.Struct, frozen=True):
    """One answer of a model, its parts in their order; no text is empty, or follows another.

    `reason` is why it ended, in OpenAI's words; `stop_sequence` which of the words to stop at ended it.
    """

    parts: tuple[AnswerPart, ...] = ()
    reason: str | None = None
    stop_sequence: str | None = None

    @classmethod
    def of(cls, parts: Iterable[AnswerPart], reason: str | None = None, stop_sequence: str | None = None) -> Choice:
        """The answer of *parts*, in which texts that follow each other become one, and empty ones none."""
        joined: list[AnswerPart] = []
        for part in parts:
            match part, joined[-1:]:
                case TextPart(text=""), _:
                    pass
                case TextPart(text=more), [TextPart(text=text)]:
                    joined[-1] = TextPart(text + more)
                case _:
                    joined += (part,)
        return cls(tuple(joined), reason, stop_sequence)

    @property
    def text(self) -> str:
        """All words of the answer, joined."""
        words = ""
        for part in self.parts:
            if type(part) is TextPart:
                words += part.text
        return words

    @property
    def tool_calls(self) -> tuple[ToolCall, ...]:
        """The tools that the model calls."""
        return tuple([part for part in self.parts if type(part) is ToolCall])

    @property
    def thoughts(self) -> tuple[Thought, ...]:
        """The thoughts, as far as they are told."""
        return tuple([part for part in self.parts if type(part) is Thought])

    @property
    def reasoning(self) -> str:
        """The words of all thoughts, joined."""
        return "".join(thought.text for thought in self.thoughts)


class Completion(msgspec.Struct, frozen=True):
    """A model's whole answer."""

    choices: Sequence[Choice]
    usage: Usage | None = None
    id: str = ""
    model: str = ""


InferenceResult = Embeddings | ChunkedEmbeddings | SparseEmbeddings | Ranking | Completion


class Started(msgspec.Struct, frozen=True):
    """A stream has begun."""

    id: str
    model: str


class Text(msgspec.Struct, frozen=True):
    """A piece of what the model writes."""

    text: str


class Reasoning(msgspec.Struct, frozen=True):
    """A piece of what the model thinks. One with a `signature` ends its thought, one that is `redacted` is a whole one.

    All are as in `Thought`.
    """

    text: str = ""
    signature: str | None = None
    redacted: str | None = None
    member: str = ""
    extra: Mapping[str, Any] | None = None


def grown(thought: Thought, piece: Reasoning) -> Thought:
    """*thought* with one more *piece*; of the members beside it lists go on, as `reasoning_details`; others are new."""
    extra = dict(thought.extra or {})
    for name, value in (piece.extra or {}).items():
        begun = extra.get(name)
        extra[name] = [*begun, *value] if isinstance(begun, list) and isinstance(value, list) else value
    return replace(
        thought,
        text=thought.text + piece.text,
        signature=piece.signature or thought.signature,
        redacted=piece.redacted if piece.redacted is not None else thought.redacted,
        member=thought.member or piece.member,
        extra=extra or None,
    )


class Finished(msgspec.Struct, frozen=True):
    """A choice has ended, and why, in OpenAI's words; `stop_sequence` is which of them ended it."""

    choice: int
    reason: str
    stop_sequence: str | None = None


class Used(msgspec.Struct, frozen=True):
    """The cost of the stream, counted so far; a later one replaces an earlier one."""

    usage: Usage


Delta = Started | Text | Reasoning | ToolCall | Finished | Used
