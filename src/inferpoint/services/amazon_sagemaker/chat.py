"""Chats and completions in OpenAI's format, or in Elasticsearch's own."""

from __future__ import annotations

from typing import Any

import msgspec

from inferpoint.model.chat import TextPart
from inferpoint.model.endpoint import TaskType
from inferpoint.model.hints import Hint
from inferpoint.model.http import Call, Reply, parse, unreadable
from inferpoint.model.requests import InferenceRequest
from inferpoint.model.results import Choice, Completion
from inferpoint.protocols.eventstream import AmazonEventStream
from inferpoint.protocols.openai import replies
from inferpoint.protocols.openai.hints import NAMES
from inferpoint.protocols.openai.requests import request_body
from inferpoint.protocols.service import Task
from inferpoint.services.amazon_sagemaker.account import (
    FAILURES,
    OPENAI,
    RATES,
    Account,
    OpenAIOptions,
    call,
    check,
)
from inferpoint.services.amazon_sagemaker.elastic import inputs
from inferpoint.services.amazon_sagemaker.stream import CHATS, COMPLETIONS, of_chat, of_completion

_STREAM_OPTIONS = "stream_options"


def chat(request: InferenceRequest, model: Account, options: OpenAIOptions, origin: str) -> Call:
    """OpenAI's body; behind it the model's own name is known to the container, and Elasticsearch needs no more."""
    asked: dict[str, Any] = {**request_body(request.conversation), **request.params}
    if model.api == OPENAI:
        asked = {"n": 1, **asked, "stream": request.stream, **request.hints}
        if request.stream and _STREAM_OPTIONS not in request.left_out:
            asked[_STREAM_OPTIONS] = {"include_usage": True}
        if options.user is not None:
            asked["user"] = options.user
    return call(model, options, origin, asked, stream=request.stream)


def complete(request: InferenceRequest, model: Account, options: OpenAIOptions, origin: str) -> Call:
    """A chat of the inputs as turns; or the inputs as they are, for Elasticsearch's own form."""
    if model.api == OPENAI:
        return chat(request, model, options, origin)
    body = {"input": inputs(request.texts), "task_settings": options.extra}
    return call(model, options, origin, body, stream=request.stream)


class _Result(msgspec.Struct):
    result: str


class _Results(msgspec.Struct):
    completion: list[_Result]


def chatted(reply: Reply, _request: InferenceRequest, _model: Account, _options: OpenAIOptions) -> Completion:
    """The answer of a chat, which has one form."""
    return replies.completion(reply, CHATS)


def completed(reply: Reply, request: InferenceRequest, model: Account, options: OpenAIOptions) -> Completion:
    """The answer of a completion."""
    if model.api == OPENAI:
        return chatted(reply, request, model, options)
    answer = parse(reply.body, _Results, of=f"{COMPLETIONS} response")
    if not answer.completion:
        raise unreadable(f"{COMPLETIONS} response", "it has no completion")
    return Completion([Choice.of([TextPart(one.result)], "stop") for one in answer.completion])


def hints(model: Account, _origin: str) -> frozenset[str]:
    """Those of OpenAI's chats; Elasticsearch's own refuse members that they do not know."""
    return NAMES | {Hint.EFFORT, Hint.THOUGHTS} if model.api == OPENAI else frozenset()


CHAT = Task(
    label=CHATS,
    settings=Account,
    options=OpenAIOptions,
    check=check(TaskType.CHAT_COMPLETION),
    encode=chat,
    decode=chatted,
    reader=of_chat,
    framing=AmazonEventStream,
    hints=hints,
    unasked=frozenset({_STREAM_OPTIONS}),
    rates=RATES,
    failures=FAILURES,
)
COMPLETE = Task(
    label=COMPLETIONS,
    settings=Account,
    options=OpenAIOptions,
    check=check(TaskType.COMPLETION),
    encode=complete,
    decode=completed,
    reader=of_completion,
    framing=AmazonEventStream,
    several=True,
    hints=hints,
    unasked=frozenset({_STREAM_OPTIONS}),
    rates=RATES,
    failures=FAILURES,
)
