"""Chats of the API's second version, which asks nearly in OpenAI's format. https://docs.cohere.com/reference/chat."""

from __future__ import annotations

from dataclasses import replace

import msgspec

from inferpoint.model.chat import ToolMode
from inferpoint.model.hints import Hint
from inferpoint.model.http import Call, json_call
from inferpoint.model.requests import InferenceRequest
from inferpoint.protocols.openai.requests import request_body
from inferpoint.protocols.service import NoOptions, Task
from inferpoint.services.cohere.account import FAILURES, RATES, Account
from inferpoint.services.cohere.replies import COMPLETIONS, decode
from inferpoint.services.cohere.stream import Events

NAMES = {"stop": "stop_sequences", "top_p": "p"}  # Cohere's, of what OpenAI's format calls otherwise
CHOICES = {ToolMode.REQUIRED: "REQUIRED", ToolMode.NAMED: "REQUIRED", ToolMode.NONE: "NONE"}


def encode(request: InferenceRequest, account: Account, _options: NoOptions, origin: str) -> Call:
    """OpenAI's body in Cohere's names; a tool that must be called is the only one that is declared."""
    conversation = request.conversation
    choice, tools = conversation.tool_choice, conversation.tools
    if choice is not None and choice.mode is ToolMode.NAMED:
        tools = tuple(tool for tool in tools if tool.name == choice.name)
    conversation = msgspec.structs.replace(conversation, tools=tools, tool_choice=None)
    asked = request_body(conversation, account.model_id, most="max_tokens", thoughts=None)
    effort = asked.pop("reasoning_effort", None)
    body = {
        **{NAMES.get(name, name): value for name, value in asked.items()},
        "tool_choice": choice and CHOICES.get(choice.mode),
        "thinking": effort and {"type": "disabled" if effort == "none" else "enabled"},
        "stream": request.stream,
        **request.params,
    }
    return json_call(account.url or f"{origin}/v2/chat", body)


CHAT = Task(
    label=COMPLETIONS,
    settings=Account,
    options=NoOptions,
    encode=encode,
    decode=decode,
    reader=lambda _: Events(),
    hints=lambda _account, _origin: frozenset({Hint.EFFORT}),
    with_model=lambda account, model: replace(account, model_id=model),
    rates=RATES,
    failures=FAILURES,
)
