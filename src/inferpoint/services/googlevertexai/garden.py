"""Models of other makers in Google's Model Garden, each spoken to in its maker's own format.

https://cloud.google.com/vertex-ai/generative-ai/docs/partner-models/use-partner-models.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from msgspec.structs import replace as changed

from inferpoint.model.http import Call, json_call
from inferpoint.model.requests import InferenceRequest
from inferpoint.protocols.anthropic import replies, requests, thinking
from inferpoint.protocols.anthropic.stream import Messages
from inferpoint.protocols.openai.chats import chat
from inferpoint.protocols.openai.replies import CONTENT
from inferpoint.protocols.service import Rates, Task
from inferpoint.services.googlevertexai.account import FAILURES, group
from inferpoint.services.googlevertexai.models import ChatSettings, Options

VERSION = "vertex-2023-10-16"
MAX_TOKENS = 1024  # of Claude's answers, where nobody says how many
LABEL = "Google Model Garden {} chat completion"
CLAUDE = LABEL.format("Anthropic")
RATES: Rates[Any] = Rates(default=1000, group=group)
_MODEL = re.compile(r"/models/([^/:?]+)")


def address(account: ChatSettings, *, stream: bool) -> str:
    """Where whole or streamed answers come from; one address serves for the other where it is alone."""
    url, streaming = account.url or account.streaming_url, account.streaming_url or account.url
    return (streaming if stream else url) or ""


def named(account: ChatSettings) -> str:
    """The model, which may be named in the address alone."""
    at = _MODEL.search(address(account, stream=False))
    return account.model_id or (at[1] if at else "")


def encode(request: InferenceRequest, account: ChatSettings, options: Options, _origin: str) -> Call:
    """A conversation in Anthropic's form, whose model is in the address, and its version in the body."""
    request = thinking.asking(request, named(account))
    asked = request.conversation.thinking
    budget = asked.budget or 0 if asked is not None and asked.enabled else 0
    body = {
        "anthropic_version": VERSION,
        "max_tokens": (options.max_tokens or MAX_TOKENS) + budget,
        **requests.request_body(request),
        "model": None,
    }
    return json_call(address(account, stream=request.stream), body).with_headers(requests.headers(request))


def among_content(_account: object, _origin: str) -> str:
    """Thoughts are parts of the content."""
    return CONTENT


def spoken(maker: str, **differs: Any) -> Task[Any, Any]:
    """The task of a *maker* whose models speak OpenAI's format; what *differs* is as in `chat`."""
    how: Mapping[str, Any] = {"max_tokens": "max_tokens", "n": None, **differs}
    task: Task[Any, Any] = chat(LABEL.format(maker), ChatSettings, RATES, **how)

    def encoded(request: InferenceRequest, account: ChatSettings, options: Options, origin: str) -> Call:
        conversation = request.conversation
        conversation = changed(conversation, max_tokens=conversation.max_tokens or options.max_tokens)
        there = replace(account, url=address(account, stream=request.stream))
        return task.encode(changed(request, input=conversation), there, options, origin)

    return replace(task, encode=encoded)


ANTHROPIC: Task[ChatSettings, Options] = Task(
    label=CLAUDE,
    settings=ChatSettings,
    options=Options,
    encode=encode,
    decode=partial(replies.answer, CLAUDE),
    reader=lambda _: Messages(CLAUDE),
    hints=lambda account, _origin: thinking.hints(requests.HINTS, named(account)),
    rates=RATES,
    failures=FAILURES,
)
MAKERS: Mapping[str, Task[Any, Any]] = {
    "anthropic": ANTHROPIC,
    "meta": spoken("Meta"),
    "hugging_face": spoken("Hugging Face", n=1),
    # As at Mistral's own address: it refuses members that it does not know, and has thoughts among the content.
    "mistral": spoken("Mistral", tells_usage=False, thoughts=among_content),
    "ai21": spoken("AI21"),
}
