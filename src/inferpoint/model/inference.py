"""What is asked and what is answered, the same for every face and every service."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from inferpoint.errors import InferenceError, Subject, invalid
from inferpoint.model.chat import Conversation, said
from inferpoint.model.deadline import NEVER, Deadline
from inferpoint.model.http import parse


class InputType(StrEnum):
    """What an embedding is for. `SEARCH` and `INGEST` also choose the lane."""

    INGEST = "ingest"
    SEARCH = "search"
    CLASSIFICATION = "classification"
    CLUSTERING = "clustering"


def purpose(name: str) -> InputType | None:
    """The input type called *name*, whatever its case; `unspecified` is none."""
    word = name.strip().lower()
    if word == "unspecified":
        return None
    try:
        return InputType(word)
    except ValueError:
        raise invalid(f"Unrecognized input_type [{name}]", subject=Subject.ARGUMENT) from None


@dataclass(frozen=True)
class Caller:
    """Who asks: a name, what they may do, and their share when a queue is long."""

    name: str
    privileges: frozenset[str] = frozenset({"manage_inference", "monitor_inference"})
    share: float = 1.0


ANONYMOUS = Caller("anonymous")

Texts = tuple[str, ...]


@dataclass(frozen=True)
class Tokens:
    """Inputs that the caller has cut into tokens itself, in the numbering of OpenAI's embedding models."""

    inputs: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Documents:
    """The input of a rerank: documents to put in order by how well they answer a query."""

    query: str
    texts: Texts
    return_documents: bool | None = None
    top_n: int | None = None


Input = Texts | Tokens | Documents | Conversation


@dataclass(frozen=True)
class Cutting:
    """That the inputs are to be cut into chunks, and how.

    `settings` are chunking settings not yet checked; None are the endpoint's. With `fold` no input has more than 512
    chunks.
    """

    settings: Mapping[str, Any] | None = None
    return_text: bool = False
    fold: bool = True


@dataclass
class Journey:
    """What became of a request on its way to the provider and back, counted while it goes.

    `calls` were made in `attempts`. `queued` and `upstream` are the longest times of any call, in seconds: waiting, for
    its turns and between its attempts; and at the provider. `known` of the `asked` inputs were in the cache, None where
    there is none.
    """

    calls: int = 0
    attempts: int = 0
    queued: float = 0.0
    upstream: float = 0.0
    known: int | None = None
    asked: int = 0

    def begun(self) -> bool:
        """Whether a provider was asked."""
        return self.attempts > 0

    def add(self, other: Journey) -> None:
        """Take in what happened to a part of the request."""
        self.calls += other.calls
        self.attempts += other.attempts
        self.queued = max(self.queued, other.queued)
        self.upstream = max(self.upstream, other.upstream)
        if other.known is not None:
            self.known = (self.known or 0) + other.known
        self.asked += other.asked


@dataclass(frozen=True)
class InferenceRequest:
    """What any face wants done.

    `options` are task settings for this request only, not yet checked. With `cutting` each input is cut into chunks.
    `params` are fields of a face with no place elsewhere. `timeout` is in seconds; None is what is usual for the task.
    `deadline` follows from it when the walk begins. With `partial` an input
    that cannot be embedded has an error of its own, and the others their embeddings. In `journey` the walk counts what
    happened.
    """

    input: Input
    input_type: InputType | None = None
    options: Mapping[str, Any] = field(default_factory=dict[str, Any])
    params: Mapping[str, Any] = field(default_factory=dict[str, Any])
    cutting: Cutting | None = None
    stream: bool = False
    partial: bool = False
    timeout: float | None = None
    deadline: Deadline = NEVER
    caller: Caller = ANONYMOUS
    request_id: str = ""
    journey: Journey = field(default_factory=Journey, compare=False)

    @property
    def texts(self) -> Texts:
        """The texts of an embedding or completion request."""
        assert isinstance(self.input, tuple)
        return self.input

    @property
    def documents(self) -> Documents:
        """The query and documents of a rerank request."""
        assert isinstance(self.input, Documents)
        return self.input

    @property
    def conversation(self) -> Conversation:
        """What a chat is about; a completion's text is one user's turn."""
        return self.input if isinstance(self.input, Conversation) else said(self.texts[0])

    @property
    def count(self) -> int:
        """How many results there must be, where each input has its own."""
        match self.input:
            case tuple():
                return len(self.input)
            case Tokens(inputs):
                return len(inputs)
            case _:
                return 1


@dataclass(frozen=True)
class Usage:
    """Tokens, as the provider counted them."""

    input: int = 0
    output: int = 0
    cached: int = 0
    reasoning: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.input + other.input,
            self.output + other.output,
            self.cached + other.cached,
            self.reasoning + other.reasoning,
        )


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

        Where `errors` has some, the first of them is raised: numbers have no place for it.
        """
        for _, error in sorted(self.errors.items()):
            raise error
        return [parse(vector, list[float], of="embeddings") for vector in self.vectors]


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


@dataclass(frozen=True)
class Previewed:
    """What would be a chunk: its offsets, the words in it, how many of them the chunk before has too."""

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


@dataclass(frozen=True)
class ToolCall:
    """A piece of a tool call: the n-th of this answer (`ordinal`), and a fragment of its arguments' JSON."""

    ordinal: int
    id: str | None = None
    name: str | None = None
    arguments: str = ""


@dataclass(frozen=True)
class Choice:
    """One answer of a model. `reason` is why it ended, in OpenAI's words."""

    text: str
    tool_calls: tuple[ToolCall, ...] = ()
    reason: str | None = None
    reasoning: str = ""


@dataclass(frozen=True)
class Completion:
    """What a model wrote, whole."""

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
    """A piece of what the model thinks."""

    text: str


@dataclass(frozen=True)
class Finished:
    """A choice has ended, and why, in OpenAI's words."""

    choice: int
    reason: str


@dataclass(frozen=True)
class Used:
    """What the stream cost, counted so far; a later one replaces an earlier one."""

    usage: Usage


Delta = Started | Text | Reasoning | ToolCall | Finished | Used
