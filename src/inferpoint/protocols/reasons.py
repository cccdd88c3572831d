"""The reasons for which answers end: the words of every provider, in OpenAI's."""

from __future__ import annotations

from collections.abc import Mapping

# What each word of OpenAI's is called elsewhere: by Anthropic, Amazon Bedrock, Gemini, Mistral, Cohere, Text Generation
# Inference, vLLM and OpenRouter; in lower case.
_CALLED: Mapping[str, tuple[str, ...]] = {
    "length": (
        "length", "max_tokens", "max_output_tokens", "max_length", "model_length", "model_context_window_exceeded",
        "token_limit", "incomplete",
    ),
    "tool_calls": ("tool_calls", "tool_call", "tool_use", "function_call"),
    "content_filter": (
        "content_filter", "content_filtered", "guardrail_intervened", "guardrail", "refusal", "safety", "recitation",
        "blocklist", "prohibited_content", "spii", "image_safety", "language", "error_toxic", "sensitive",
        "image_prohibited_content", "image_recitation", "model_armor",
    ),
}  # fmt: skip
_REASONS = {word: reason for reason, words in _CALLED.items() for word in words}


def reason_of(word: str | None, *, called: bool = False) -> str:
    """Why an answer ended, in OpenAI's words; *word* is the provider's, in any case, and unknown ones mean `stop`.

    *called* is whether the answer asks for a tool: one that then says `stop` ended for that.
    """
    reason = _REASONS.get((word or "").lower(), "stop")
    return "tool_calls" if called and reason == "stop" else reason
