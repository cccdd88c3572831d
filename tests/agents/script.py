"""What a scripted provider answers: the agent's own prompt says which tools to call, and with what."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

THINKING = "The tool will know. Naïve — but right. 👋"
SIGNATURE = "c2lnbmVkIGJ5IHRoZSBzY3JpcHRlZCBwcm92aWRlcg=="
READ, WRITTEN, CACHED = 100, 20, 80  # tokens of every answer; those from a cache are among those read


@dataclass(frozen=True)
class Turn:
    """What a provider was asked, whatever the dialect.

    `cached` are the parts with a cache hint, of `system`, `tools` and `messages`; `returned` is the thinking of earlier
    answers that came back, each with its signature; `fault` is why the provider refuses.
    """

    model: str
    words: str
    tools: frozenset[str]
    results: tuple[str, ...]
    thinks: bool
    streams: bool
    cached: frozenset[str]
    returned: tuple[tuple[str, str | None], ...]
    fault: str | None


@dataclass(frozen=True)
class ToolCall:
    """A tool that the agent is to run."""

    id: str
    name: str
    arguments: dict[str, Any]

    @property
    def pieces(self) -> tuple[str, str]:
        """The arguments as JSON, in two pieces."""
        written = json.dumps(self.arguments)
        return written[:5], written[5:]


@dataclass(frozen=True)
class Answer:
    """Thinking where it was asked for, then a call of a tool or words, by the model that was asked.

    `number` counts the answers of a conversation, and is in their ids: who sees one id twice takes both for one answer.
    """

    number: int
    model: str
    thinking: str | None
    content: ToolCall | str


def fault(returned: Sequence[tuple[str, str | None]], is_unthought: bool) -> str | None:
    """What Anthropic's models refuse: thinking with another signature, and a tool's call that had thinking no more."""
    if any(thought != (THINKING, SIGNATURE) for thought in returned):
        return "Invalid `signature` in `thinking` block"
    if is_unthought:
        return (
            "Expected `thinking` or `redacted_thinking`, but found `tool_use`. When `thinking` is enabled, a final "
            "`assistant` message must start with a thinking block."
        )
    return None


def answer(turn: Turn) -> Answer:
    """Thinking where it is asked for, then what the prompt says."""
    return Answer(len(turn.results) + 1, turn.model, THINKING if turn.thinks else None, _content(turn))


def _content(turn: Turn) -> ToolCall | str:
    """The prompt's next `Call NAME with {…}`, if the agent offers that tool, its `Answer with {…}`, or the result."""
    done = len(turn.results)
    for name, arguments in list(_commands(turn.words, r"Call (\w+) with "))[done : done + 1]:
        if name in turn.tools:
            return ToolCall(f"call_{done + 1}", name, arguments)
    for _, value in _commands(turn.words, r"(Answer) with "):
        return json.dumps(value)
    return f"The tool returned: {turn.results[-1]}" if turn.results else "Nothing was to be done."


def _commands(words: str, pattern: str) -> Iterator[tuple[str, Any]]:
    for match in re.finditer(pattern + r"(?=\{)", words):
        yield match[1], json.JSONDecoder().raw_decode(words, match.end())[0]
