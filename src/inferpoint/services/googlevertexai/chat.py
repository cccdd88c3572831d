"""Chats with Google's own models, and with those of other makers in its Model Garden."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from msgspec.structs import replace as changed

from inferpoint.errors import invalid
from inferpoint.model.chat import Thinking
from inferpoint.model.http import Call, Reply, json_call
from inferpoint.model.requests import InferenceRequest
from inferpoint.model.results import Completion
from inferpoint.protocols.gemini import replies, requests, thinking
from inferpoint.protocols.gemini.stream import Answers
from inferpoint.protocols.service import Rates, Reader, Task
from inferpoint.services.googlevertexai import garden
from inferpoint.services.googlevertexai.account import FAILURES, group, model_url
from inferpoint.services.googlevertexai.models import ChatSettings, Options
from inferpoint.services.googlevertexai.tokens import check

CHATS = "Google Vertex AI chat completion"


def encode(request: InferenceRequest, account: ChatSettings, options: Options, origin: str) -> Call:
    """A conversation with a model of Google's, which is named in the address."""
    conversation, configured = request.conversation, options.thinking_config
    if conversation.thinking is None and conversation.reasoning_effort is None and configured is not None:
        thinks = Thinking(budget=configured.thinking_budget, shown=False)
        conversation = changed(conversation, thinking=thinks)
    conversation = changed(conversation, max_tokens=conversation.max_tokens or options.max_tokens)
    model = conversation.model or account.model_id or ""
    method = "streamGenerateContent?alt=sse" if request.stream else "generateContent"
    body = requests.request_body(changed(request, input=conversation), model)
    return json_call(model_url(account, model, method, origin), body)


GOOGLE: Task[ChatSettings, Options] = Task(
    label=CHATS,
    settings=ChatSettings,
    options=Options,
    encode=encode,
    decode=partial(replies.completion, CHATS),
    reader=lambda _: Answers(CHATS),
    hints=lambda account, _origin: thinking.hints(account.model_id or ""),
    rates=Rates(default=1000, group=group),
    failures=FAILURES,
)
# What models of each maker are spoken to in.
MAKERS: Mapping[str, Task[ChatSettings, Options]] = {"google": GOOGLE, **garden.MAKERS}


def check_chat(account: ChatSettings, options: Options) -> Sequence[str]:
    """A key file, and what the model's maker needs and nothing else; texts are Elasticsearch's."""
    url, streaming = account.url, account.streaming_url
    if account.provider != "google":
        if url is None and streaming is None:
            raise invalid(
                f"Google Model Garden provider={account.provider} selected."
                " Either 'uri' or 'streaming_uri' must be provided; they are the settings [url] and [streaming_url]"
            )
        return check(account, options)
    if url is not None or streaming is not None:
        raise invalid(
            "'provider' is either GOOGLE or null. For Google Vertex AI models 'uri' and 'streaming_uri' must not be"
            " provided. Remove 'url' and 'streaming_url' fields. Provided values:"
            f" uri={url or 'null'}, streaming_uri={streaming or 'null'}"
        )
    if account.project_id is None or account.model_id is None:
        raise invalid(
            "For Google Vertex AI models, you must provide 'project_id' and 'model_id'. Provided values:"
            f" location={account.location or 'null'}, project_id={account.project_id or 'null'},"
            f" model_id={account.model_id or 'null'}"
        )
    return check(account, options)


def _encode(request: InferenceRequest, account: ChatSettings, options: Options, origin: str) -> Call:
    return MAKERS[account.provider].encode(request, account, options, origin)


def _decode(reply: Reply, request: InferenceRequest, account: ChatSettings, options: Options) -> Completion:
    answer = MAKERS[account.provider].decode(reply, request, account, options)
    assert isinstance(answer, Completion)
    return answer


def _reader(account: ChatSettings) -> Reader:
    reader = MAKERS[account.provider].reader
    assert reader is not None
    return reader(account)


def _with_model(account: ChatSettings, model: str) -> ChatSettings:
    return replace(account, model_id=model)


def _hints(account: ChatSettings, origin: str) -> frozenset[str]:
    return MAKERS[account.provider].hints(account, origin)


CHAT: Task[Any, Any] = replace(
    GOOGLE,
    check=check_chat,
    encode=_encode,
    decode=_decode,
    reader=_reader,
    hints=_hints,
    unasked=frozenset[str]().union(*(task.unasked for task in MAKERS.values())),
    with_model=_with_model,
)
