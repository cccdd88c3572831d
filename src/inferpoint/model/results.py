"""Results of an inference, whole and in pieces, the same for every face and every service."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from inferpoint.errors import InferenceError
from inferpoint.model.chat import TextPart, Thought
from inferpoint.model.http import parse


@dataclass(frozen=True)
class Usage:
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


def _shown(
    name: str, of: str, count: int, usage: Usage | None, errors: Mapping[int, InferenceError] | None = None
) -> str:
    """The short repr of a result that may be large: how much of it there is, and not what it is."""
    told = [f"{count} {of}", *([str(usage)] if usage else []), *([f"{len(errors)} errors"] if errors else [])]
    return f"{name}({', '.join(told)})"


@dataclass(frozen=True)
class Embeddings:
    """Dense vectors in the order of the inputs.

    Each is JSON text as it came (`msgspec.Raw` of an array of numbers): between provider and caller nobody reads the
    numbers. `cut` are the places of inputs that were shortened to fit the model, `errors` those of a partial request
    that have no embedding (their vectors are None), and why.
    """

    vectors: Sequence[Any]
    usage: Usage | None = None
    cut: frozenset[int] = frozenset()
    errors: Mapping[int, InferenceError] = field(default_factory=dict[int, InferenceError])

    def numbers(self) -> list[list[float]]:
        """The vectors as numbers, for callers that compute with them; `UNREADABLE` when one has no place in a float.

        An input of `errors` has none: its list is empty.
        """
        return [[] if vector is None else parse(bytes(vector), list[float], of="embeddings") for vector in self.vectors]

    def __repr__(self) -> str:
        return _shown("Embeddings", "vectors", len(self.vectors), self.usage, self.errors)


@dataclass(frozen=True)
class Chunk:
    """A piece of an input, with its offsets in code points and its vector as JSON text."""

    start_offset: int
    end_offset: int
    vector: Any
    text: str | None = None


@dataclass(frozen=True)
class ChunkedEmbeddings:
    """For each input its chunks, in order. `cut` counts chunks that were shortened; `errors` as in `Embeddings`."""

    inputs: Sequence[Sequence[Chunk]]
    usage: Usage | None = None
    cut: int = 0
    errors: Mapping[int, InferenceError] = field(default_factory=dict[int, InferenceError])

    def __repr__(self) -> str:
        return _shown("ChunkedEmbeddings", "chunks", sum(map(len, self.inputs)), self.usage, self.errors)


@dataclass(frozen=True)
class Previewed:
    """A chunk that an input would have: its offsets, its words, and how many of them the chunk before has too."""

    start_offset: int
    end_offset: int
    words: int
    overlap: int
    text: str


@dataclass(frozen=True)
class SparseEmbeddings:
    """For each input the weights of its tokens, and whether it was cut; `errors` as in `Embeddings`."""

    weights: Sequence[tuple[Mapping[str, float], bool]]
    usage: Usage | None = None
    errors: Mapping[int, InferenceError] = field(default_factory=dict[int, InferenceError])

    def __repr__(self) -> str:
        return _shown("SparseEmbeddings", "vectors", len(self.weights), self.usage, self.errors)


@dataclass(frozen=True)
class Ranked:
    """One document: its place in the input, its score, its text where asked for."""

    index: int
    score: float
    text: str | None = None


@dataclass(frozen=True)
class Ranking:
    """Documents, best first."""

    ranked: Sequence[Ranked]
    usage: Usage | None = None

    def __repr__(self) -> str:
        return _shown("Ranking", "documents", len(self.ranked), self.usage)


@dataclass(frozen=True)
class ToolCall:
    """A piece of a tool call: the n-th of this answer (`ordinal`), and a fragment of its arguments' JSON.

    The first piece has `id` and `name`, and `extra` as in `ToolUse`; together the fragments are never empty.
    """

    ordinal: int
    id: str | None = None
    name: str | None = None
    arguments: str = ""
    extra: Mapping[str, Any] | None = None


AnswerPart = TextPart | Thought | ToolCall


@dataclass(frozen=True)
class Choice:
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
                    joined.append(part)
        return cls(tuple(joined), reason, stop_sequence)

    @property
    def text(self) -> str:
        """All words of the answer, joined."""
        return "".join(part.text for part in self.parts if type(part) is TextPart)

    @property
    def tool_calls(self) -> tuple[ToolCall, ...]:
        """The tools that the model calls."""
        return tuple(part for part in self.parts if type(part) is ToolCall)

    @property
    def thoughts(self) -> tuple[Thought, ...]:
        """The thoughts, as far as they are told."""
        return tuple(part for part in self.parts if type(part) is Thought)

    @property
    def reasoning(self) -> str:
        """The words of all thoughts, joined."""
        return "".join(thought.text for thought in self.thoughts)


@dataclass(frozen=True)
class Completion:
    """A model's whole answer."""

    choices: Sequence[Choice]
    usage: Usage | None = None
    id: str = ""
    model: str = ""


InferenceResult = Embeddings | ChunkedEmbeddings | SparseEmbeddings | Ranking | Completion


@dataclass(frozen=True)
class Started:
    """A stream has begun."""

    id: str
    model: str


@dataclass(frozen=True)
class Text:
    """A piece of what the model writes."""

    text: str


@dataclass(frozen=True)
class Reasoning:
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


@dataclass(frozen=True)
class Finished:
    """A choice has ended, and why, in OpenAI's words; `stop_sequence` is which of them ended it."""

    choice: int
    reason: str
    stop_sequence: str | None = None


@dataclass(frozen=True)
class Used:
    """The cost of the stream, counted so far; a later one replaces an earlier one."""

    usage: Usage


Delta = Started | Text | Reasoning | ToolCall | Finished | Used
