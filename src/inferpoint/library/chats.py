"""Chats as a program asks for them: messages and options in OpenAI's form, checked when they are read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from msgspec.structs import replace

from inferpoint.library.options import ChatOptions, as_json
from inferpoint.model.fields import Fields
from inferpoint.model.requests import InferenceRequest
from inferpoint.protocols.openai import messages
from inferpoint.protocols.openai.hints import parted

Messages = str | Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Chat:
    """A chat as OpenAI's `chat/completions` takes it, without `model` and `stream`; `timeout` is in seconds."""

    body: Mapping[str, Any]
    timeout: float | None = None

    def request(self) -> InferenceRequest:
        """The inference that the body asks for; what is wrong with it is `INVALID` and names the field."""
        body = Fields(self.body)
        conversation = replace(
            messages.read(body.any("messages"), body.any("tools") or None, body.any("tool_choice")),
            max_tokens=body.take("max_tokens", int),
            stop=body.text_or_texts("stop") or (),
            temperature=body.take("temperature", float),
            top_p=body.take("top_p", float),
            reasoning_effort=body.take("reasoning_effort", str),
        )
        params, hints = parted(body.rest())
        return InferenceRequest(conversation, params=params, hints=hints, timeout=self.timeout)


def asked(turns: Messages, options: ChatOptions) -> Chat:
    """The chat of *turns*, of which a string alone is the user's."""
    several = [{"role": "user", "content": turns}] if isinstance(turns, str) else turns
    body = as_json({"messages": several, **options})
    return Chat(body, body.pop("timeout", None))
