"""The reasons for which answers end."""

from __future__ import annotations

import pytest

from inferpoint.protocols.reasons import reason_of


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("stop", ("stop", "eos", "eos_token", "end_turn", "stop_sequence", "STOP", "COMPLETE", "", None, "whatever")),
        ("length", ("length", "max_tokens", "MAX_TOKENS", "model_length", "max_output_tokens")),
        ("tool_calls", ("tool_calls", "tool_use", "function_call")),
        ("content_filter", ("content_filter", "SAFETY", "RECITATION", "BLOCKLIST", "guardrail_intervened", "refusal")),
    ],
)
def test_every_providers_word_has_one_of_openais(reason: str, words: tuple[str | None, ...]) -> None:
    """Why an answer ended is told in OpenAI's words, whatever the provider calls it and in whatever case."""
    assert [reason_of(word) for word in words] == [reason] * len(words)


@pytest.mark.parametrize(
    ("word", "reason"),
    [("stop", "tool_calls"), ("eos_token", "tool_calls"), ("length", "length"), ("content_filter", "content_filter")],
)
def test_a_call_that_ends_with_stop_ended_for_the_call(word: str, reason: str) -> None:
    """An answer that asks for a tool never says that it just stopped; that it was cut off it does say."""
    assert reason_of(word, called=True) == reason
