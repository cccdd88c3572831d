"""A stream's deltas put together to the answer that they are of."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from conversing import usual_choice

from inferpoint.library.answers import Answer, Collected
from inferpoint.model.chat import Thought
from inferpoint.model.results import (
    Choice,
    ChunkedEmbeddings,
    Completion,
    Delta,
    Embeddings,
    Finished,
    Ranked,
    Ranking,
    Reasoning,
    SparseEmbeddings,
    Started,
    Text,
    ToolCall,
    Usage,
    Used,
)


@pytest.mark.parametrize(
    ("deltas", "choice"),
    [
        ([Text("a"), Text("b"), Finished(0, "stop", "END")], usual_choice("ab", reason="stop", stop_sequence="END")),
        ([], usual_choice("")),
        (
            [Reasoning("one "), Reasoning("thought"), Reasoning(signature="s1"), Reasoning("next"), Text("a")],
            usual_choice("a", thoughts=(Thought("one thought", "s1"), Thought("next"))),
        ),
        (
            [Reasoning(redacted="r1"), Reasoning(redacted="r2"), Reasoning("a", "s")],
            usual_choice("", thoughts=(Thought(redacted="r1"), Thought(redacted="r2"), Thought("a", "s"))),
        ),
        (
            [Reasoning("open"), Reasoning(redacted="r"), Reasoning("new")],
            usual_choice("", thoughts=(Thought("open"), Thought(redacted="r"), Thought("new"))),
        ),
        (
            [
                ToolCall(1, "b", "g"),
                ToolCall(0, "a", "f", "{"),
                ToolCall(0, arguments="}"),
                ToolCall(1, "b", "g", "{}"),
            ],
            usual_choice("", tool_calls=(ToolCall(0, "a", "f", "{}"), ToolCall(1, "b", "g", "{}"))),
        ),
    ],
    ids=["text", "nothing", "thoughts", "redacted", "redacted between", "calls"],
)
def test_pieces_are_put_together(deltas: Sequence[Delta], choice: Choice) -> None:
    """Texts join, a thought ends at its seal, and pieces of a call are one call."""
    collected = Collected()
    for delta in (Started("id", "m"), Used(Usage(1)), *deltas, Used(Usage(1, 2))):
        collected.add(delta)
    assert collected.completion() == Completion([choice], Usage(1, 2), "id", "m")


@pytest.mark.parametrize(
    ("result", "shown"),
    [
        (Embeddings(["[1,2]"] * 1000, Usage(5)), "Embeddings(1000 vectors, Usage(input=5, "),
        (ChunkedEmbeddings([[], []]), "ChunkedEmbeddings(0 chunks)"),
        (SparseEmbeddings([({"a": 1.0}, False)] * 2), "SparseEmbeddings(2 vectors)"),
        (Ranking([Ranked(0, 1.0, "text")]), "Ranking(1 documents)"),
        (
            Answer(Completion([usual_choice("x" * 1000, reason="stop")])),
            f"Answer('{'x' * 60}…', reason='stop', usage=None)",
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_large_result_has_a_short_repr(result: object, shown: str) -> None:
    """A notebook shows how much there is, and not all of it."""
    assert repr(result).startswith(shown)
    assert len(repr(result)) < 150
